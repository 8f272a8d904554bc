/**
 * How a group of Nuwa servers stands: each is asked for what it knows of itself, and the answers are put beside one another. What a server says
 * of the others is only used for those that do not answer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../../services/base/errors.ts';
import type { KuafuClient, ServiceClient } from '../../../services/kuafu/contract.ts';
import { NuwaError, nuwaService, type ServerStatus } from '../../../services/nuwa/contract.ts';
import { colors as pc } from './colors.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount, formatMs } from './units.ts';

/** A server that lives answers within milliseconds, also one that knows of no leader. */
const STATUS_MS_MAX = 2_000;

export interface ServerAnswer {
  address: string;
  status?: ServerStatus;
  /** Why it did not answer. */
  problem?: string;
}

export interface ServerView {
  id: string;
  address: string;
  /** `silent`: it does not answer. `learner` and `outsider` (in no group, or not in this one) go before what Raft calls them. */
  state: ServerStatus['role'] | 'learner' | 'outsider' | 'silent';
  /** Entries that the leader has and that are not applied here; unknown while nobody leads. */
  lag?: number;
  status?: ServerStatus;
  problem?: string;
}

export interface GroupView {
  leader?: string;
  term: number;
  servers: ServerView[];
}

/** Asks all that are known by address, and then the members that they speak of and that have not answered. */
export async function askGroup(kuafu: KuafuClient, addresses: readonly string[], timeoutMs = STATUS_MS_MAX): Promise<ServerAnswer[]> {
  const ask = async (address: string): Promise<ServerAnswer> => {
    try {
      return { address, status: await kuafu.service(nuwaService, address).status({}, { timeoutMs }) };
    } catch (error) {
      return { address, problem: messageOf(error) };
    }
  };
  const answers = await Promise.all(addresses.map(ask));
  const answered = new Set(answers.map(({ status }) => status?.id));
  const others = membersOf(answers).filter(({ id, address }) => !answered.has(id) && !addresses.includes(address));
  return [...answers, ...(await Promise.all(others.map(({ address }) => ask(address))))];
}

/** What the server knows that leads in the highest term; of those that know of no leader, the one that is furthest. */
function bestInformed(answers: readonly ServerAnswer[]): ServerStatus | undefined {
  const rank = ({ role, term, commitIndex }: ServerStatus): number[] => [role === 'leader' ? term : -1, term, commitIndex];
  return answers
    .flatMap(({ status }) => status ?? [])
    .sort((a, b) => compare(rank(b), rank(a)))
    .at(0);
}

const compare = (a: number[], b: number[]): number => a.map((each, i) => each - b[i]!).find((difference) => difference !== 0) ?? 0;

function membersOf(answers: readonly ServerAnswer[]): ServerStatus['members'] {
  return bestInformed(answers)?.members ?? [];
}

export function viewOf(answers: readonly ServerAnswer[]): GroupView {
  const best = bestInformed(answers);
  const leader = best?.role === 'leader' ? best : undefined;
  const members = membersOf(answers);
  const servers: ServerView[] = [];
  for (const { address, status } of answers) {
    if (!status || servers.some(({ id }) => id === status.id)) continue;
    const member = members.find(({ id }) => id === status.id);
    servers.push({
      id: status.id,
      address: member?.address ?? address,
      state: member ? (member.role === 'learner' ? 'learner' : status.role) : 'outsider',
      ...(leader && member ? { lag: Math.max(0, leader.lastIndex - status.appliedIndex) } : {}),
      status,
    });
  }
  for (const { id, address } of members) {
    if (servers.some((server) => server.id === id)) continue;
    const matchIndex = leader?.progress.find((each) => each.id === id)?.matchIndex;
    const problem = answers.find((answer) => answer.address === address)?.problem;
    servers.push({
      id,
      address,
      state: 'silent',
      ...(leader && matchIndex !== undefined ? { lag: leader.lastIndex - matchIndex } : {}),
      ...(problem ? { problem } : {}),
    });
  }
  // With nobody to tell who is in the group, an address is all that is known of a server.
  if (!best) for (const { address, problem } of answers) servers.push({ id: address, address, state: 'silent', problem: problem ?? '' });
  servers.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...(leader ? { leader: leader.id } : {}), term: best?.term ?? 0, servers };
}

const COLUMNS = [
  { title: 'server' },
  { title: 'role' },
  { title: 'term', align: 'right' },
  { title: 'lag', align: 'right' },
  { title: 'sessions', align: 'right' },
  { title: 'watches', align: 'right' },
  { title: 'nodes', align: 'right' },
  { title: 'log', align: 'right' },
  { title: 'up', align: 'right' },
  { title: 'address' },
  { title: 'zookeeper' },
] as const;

export function groupTable({ servers }: GroupView): string {
  const rows = servers.map(({ id, address, state, lag, status }) => [
    id,
    roleOf(state, status),
    status ? `${status.term}` : '-',
    lag === undefined ? '-' : formatCount(lag),
    ...(status
      ? [
          formatCount(status.sessions),
          formatCount(status.watches),
          formatCount(status.nodes),
          formatBytes(status.logBytes),
          formatMs(status.uptimeMs),
        ]
      : ['-', '-', '-', '-', '-']),
    address.replace('tcp://', ''),
    status?.zookeeper ?? '-',
  ]);
  return renderTable(COLUMNS, rows);
}

function roleOf(state: ServerView['state'], status: ServerStatus | undefined): string {
  if (state === 'silent') return pc.red('no answer');
  if (status && !status.writable) return pc.red(`${state}, cannot write`);
  if (status?.part) return status.part === 'waiting' ? pc.yellow('waiting') : pc.red(status.part);
  return state === 'leader' ? pc.green(state) : state === 'follower' || state === 'learner' ? state : pc.yellow(state);
}

export function viewAsJson({ leader, term, servers }: GroupView): object {
  return {
    leader: leader ?? null,
    term,
    servers: servers.map(({ id, address, state, lag, status, problem }) => ({
      id,
      address,
      state,
      ...(lag === undefined ? {} : { lag }),
      ...(status ? { status } : {}),
      ...(problem ? { problem } : {}),
    })),
  };
}

/** Why nothing can be asked of the group: none of its servers answers. */
export function silenceOf({ servers }: GroupView): string | undefined {
  if (servers.some(({ status }) => status)) return undefined;
  const reasons = new Set(servers.map(({ problem }) => problem?.replace(/^.*: (?=connect )/, '')).filter(Boolean));
  return `no server answers at ${servers.map(({ address }) => address).join(', ')}${reasons.size > 0 ? `: ${[...reasons].join('; ')}` : ''}`;
}

export function assertAnswered(view: GroupView): void {
  const silence = silenceOf(view);
  if (silence !== undefined) throw new Error(silence);
}

export type NuwaServerClient = ServiceClient<typeof nuwaService>;

/** A group that has lost its leader has a new one within seconds, if it is to have one. */
const LEADER_MS_MAX = 10_000;
const LEADER_AGAIN_MS = 200;

/** Does `call` at the server that leads, wherever that is. Errors: the call's own; nobody answers; NotLeader when nobody leads for a while. */
export async function atLeader<T>(
  kuafu: KuafuClient,
  addresses: readonly string[],
  call: (leader: NuwaServerClient) => Promise<T>,
): Promise<T> {
  const untilMs = performance.now() + LEADER_MS_MAX;
  for (;;) {
    const view = viewOf(await askGroup(kuafu, addresses));
    assertAnswered(view);
    const { leader, servers } = view;
    const found = servers.find(({ id }) => id === leader);
    try {
      if (!found) throw new NuwaError('NotLeader', 'nobody leads the group');
      return await call(kuafu.service(nuwaService, found.address));
    } catch (error) {
      // It led a moment ago; all that is asked for here may be asked for twice.
      if (!hasCode(error, 'NotLeader', 'Unavailable', 'DeadlineExceeded') || performance.now() > untilMs) throw error;
      await delay(LEADER_AGAIN_MS);
    }
  }
}
