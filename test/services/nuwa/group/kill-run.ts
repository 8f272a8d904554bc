import { systemClock } from '../../../../services/base/clock.ts';
import { hasCode } from '../../../../services/base/errors.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import { connectNuwa } from '../../../../services/nuwa/client.ts';
import type { NuwaClient } from '../../../../services/nuwa/contract.ts';
import type { ProcessGroup } from './process-group.ts';

/**
 * A group of real processes under load, in which one server after the other is killed or stopped at random, the leader more often than not.
 *
 * What is watched:
 * - writers create nodes of ever new names; each acknowledged one must be there in the end, at the revision that was told;
 * - one writer counts a node up, and readers at all servers read it: a read must see what was acknowledged before it began, and never less than
 *   a read that had ended before it began; with one writer that counts up, that is linearizability;
 * - probes write at each server, to see when the group takes changes again;
 * - each client's session must live to the end.
 */
export interface KillReport {
  acknowledged: number;
  reads: number;
  /** What must not be; empty when all is well. */
  problems: string[];
  /** `backAfterMs` by the clock; `ownMs`: of that, what this process was given time for (OwnTime). */
  faults: { what: string; victim: string; wasLeader: boolean; backAfterMs: number; ownMs: number }[];
  sessionStates: string[];
}

const WRITERS = 6;
const READERS = 3;
const PROBE_TIMEOUT_MS = 150;
const TTL_MS = 5_000;

/**
 * Time as a process has it that does not get the processor whenever it wants: so many ticks, each of which came late on a machine that does much else. The servers of
 * the group have no more of it than this process, and it is by theirs that their timeouts are kept.
 */
class OwnTime {
  static readonly tickMs = 10;
  #ticks = 0;
  readonly #ticking = setInterval(() => this.#ticks++, OwnTime.tickMs);

  get ms(): number {
    return this.#ticks * OwnTime.tickMs;
  }

  stop(): void {
    clearInterval(this.#ticking);
  }
}

export async function killRun(group: ProcessGroup, options: { seconds: number; faultsMin?: number; seed: number }): Promise<KillReport> {
  const { seconds, faultsMin = 0, seed } = options;
  const own = new OwnTime();
  const random = seededRandom(seed);
  const report: KillReport = { acknowledged: 0, reads: 0, problems: [], faults: [], sessionStates: [] };
  const untilMs = systemClock.monotonicMs() + seconds * 1000;
  let running = true;

  const clients: NuwaClient[] = [];
  const connect = async (): Promise<NuwaClient> => {
    const client = await connectNuwa({ addresses: group.addresses, cluster: 'test', creator: 'kill-run', ttlMs: TTL_MS });
    client.session.onState((state) => report.sessionStates.push(state));
    clients.push(client);
    return client;
  };
  const keeper = await connect();
  await keeper.create('/alive', new Uint8Array(0), { ephemeral: true });
  await keeper.create('/w', new Uint8Array(0));
  await keeper.create('/count', number(0));

  const acknowledged = new Map<string, number>();
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const nuwa = await connect();
    for (let i = 0; running; i++) {
      const path = `/w/${writer}-${i}`;
      try {
        acknowledged.set(path, (await nuwa.create(path, number(i))).revision);
      } catch (error) {
        // Not known whether it was made; a client that gives up is allowed to, and must not hear that somebody else made it.
        if (!hasCode(error, 'Unavailable', 'DeadlineExceeded')) report.problems.push(`create of ${path}: ${String(error)}`);
      }
    }
  });

  let counted = 0;
  let counting = 0;
  const counter = (async () => {
    const nuwa = await connect();
    while (running) {
      counting++;
      await nuwa.set('/count', number(counting)).then(
        () => (counted = counting),
        // As of the writers: what is not known may be found done, and is never done later than the next number is.
        (error: unknown) => {
          if (!hasCode(error, 'Unavailable', 'DeadlineExceeded')) report.problems.push(`set: ${String(error)}`);
        },
      );
    }
  })();
  let seen = 0;
  const readers = Array.from({ length: READERS }, async (_, reader) => {
    const rpc = group.rpc(group.ids[reader % group.ids.length]!);
    while (running) {
      const atLeast = Math.max(counted, seen);
      try {
        const { node } = await rpc.get({ path: '/count' }, { timeoutMs: 1_000 });
        const value = Buffer.from(node.value).readDoubleBE();
        if (value < atLeast || value > counting) report.problems.push(`read ${value}, between ${atLeast} and ${counting} was due`);
        seen = Math.max(seen, value);
        report.reads++;
      } catch {
        await systemClock.sleep(20);
      }
    }
  });

  const fault = async (): Promise<void> => {
    const leader = await group.leader();
    const victim = random.int(3) > 0 ? leader : group.ids[random.int(group.ids.length)]!;
    const kill = random.int(2) === 0;
    const others = group.ids.filter((id) => id !== victim);
    const startMs = systemClock.monotonicMs();
    const ownStartMs = own.ms;
    if (kill) await group.kill(victim);
    else group.signal(victim, 'SIGSTOP');
    await Promise.any(others.map((id) => probe(group, id)));
    report.faults.push({
      what: kill ? 'SIGKILL' : 'SIGSTOP',
      victim,
      wasLeader: victim === leader,
      backAfterMs: systemClock.monotonicMs() - startMs,
      ownMs: own.ms - ownStartMs,
    });
    await systemClock.sleep(random.int(1_000));
    if (kill) await group.start(victim);
    else group.signal(victim, 'SIGCONT');
    await group.whole();
  };
  while (systemClock.monotonicMs() < untilMs || report.faults.length < faultsMin) {
    await systemClock.sleep(random.int(400));
    await fault();
  }
  running = false;
  own.stop();
  await Promise.all([...writers, counter, ...readers]);

  const made = new Map<string, number>();
  for (const { path, createRevision } of (await keeper.list('/w')).children) made.set(path, createRevision);
  for (const [path, revision] of acknowledged)
    if (made.get(path) !== revision) report.problems.push(`${path} was acknowledged at ${revision}, and is ${made.get(path) ?? 'gone'}`);
  if ((await keeper.get('/alive')).ephemeralOwner !== keeper.session.id) report.problems.push('an ephemeral node has another owner');
  if (report.sessionStates.includes('expired')) report.problems.push('a session of a living client expired');
  report.acknowledged = acknowledged.size + counted;
  await Promise.all(clients.map((client) => client.close()));
  return report;
}

let probes = 0;

/** Resolves when a change that was sent after now is made at this server. */
async function probe(group: ProcessGroup, id: string): Promise<void> {
  const session = `probe-${process.pid}-${probes++}`;
  for (;;) {
    try {
      await group.rpc(id).openSession({ session, ttlMs: 1_000, creator: 'probe' }, { timeoutMs: PROBE_TIMEOUT_MS });
      return;
    } catch {
      await systemClock.sleep(5);
    }
  }
}

function number(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

export function tell(report: KillReport): string {
  const faults = report.faults.map(
    ({ what, victim, wasLeader, backAfterMs, ownMs }) =>
      `  ${what} of ${victim}${wasLeader ? ' (leader)' : ''}: back after ${Math.round(backAfterMs)} ms (${ownMs} of its own)`,
  );
  return [
    `${report.acknowledged} changes acknowledged, ${report.reads} reads, ${report.faults.length} faults`,
    ...faults,
    ...report.problems,
  ].join('\n');
}
