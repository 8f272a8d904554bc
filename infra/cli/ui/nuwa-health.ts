/** Whether all is well with a group, for people and for probes: what is wrong is a line each. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { askGroup, type GroupView, viewOf } from './nuwa-group.ts';
import { formatCount } from './units.ts';

export function problemsOf({ leader, servers }: GroupView): string[] {
  const problems = servers.flatMap(({ id, state, status, problem }) => {
    if (state === 'silent') return [`${id} does not answer${problem ? `: ${problem}` : ''}`];
    const told = (status?.problems ?? []).map((each) => `${id}: ${each}`);
    if (status?.writable === false && told.length === 0) told.push(`${id} cannot write its log`);
    if (state === 'outsider' && told.length === 0) told.push(`${id} answers and is not in the group`);
    return told;
  });
  if (leader === undefined) problems.push('nobody leads: nothing can be changed until more than half of the servers answer each other');
  const leading = servers.filter(({ status }) => status?.role === 'leader').map(({ id, status }) => `${id} ${status!.term}`);
  if (new Set(leading.map((each) => each.split(' ')[1])).size < leading.length)
    problems.push(`several lead one term: ${leading.join(', ')}`);
  return problems;
}

/** A follower of a busy group is some dozens of entries behind at any moment; one that is so far behind does not keep up. */
const LAG_ENTRIES_MAX = 10_000;

/** Those and what is well for the moment: one that lags. */
export function strictProblemsOf(view: GroupView): string[] {
  const lags = view.servers.filter(({ state, lag = 0 }) => state !== 'silent' && lag > LAG_ENTRIES_MAX);
  return [...problemsOf(view), ...lags.map(({ id, lag }) => `${id} lags by ${formatCount(lag!)} entries`)];
}

/** A server that keeps up has all that was committed a moment ago well within this. */
const CATCH_UP_MS_MAX = 5_000;
const ASK_AGAIN_MS = 100;

/** The group once all of its servers have what its leader has now. Bounded: `late` are those that do not come to it. */
export async function caughtUp(
  kuafu: KuafuClient,
  addresses: readonly string[],
  { waitMs = CATCH_UP_MS_MAX }: { waitMs?: number } = {},
): Promise<{ view: GroupView; late: { id: string; appliedIndex: number; wanted: number }[] }> {
  let wanted: number | undefined;
  for (const untilMs = performance.now() + waitMs; ; await delay(ASK_AGAIN_MS)) {
    const view = viewOf(await askGroup(kuafu, addresses));
    wanted ??= view.servers.find(({ id }) => id === view.leader)?.status?.commitIndex;
    if (wanted === undefined) return { view, late: [] };
    const late = view.servers.flatMap(({ id, state, status }) =>
      status && state !== 'outsider' && status.appliedIndex < wanted! ? [{ id, appliedIndex: status.appliedIndex, wanted: wanted! }] : [],
    );
    if (late.length === 0 || performance.now() > untilMs) return { view, late };
  }
}
