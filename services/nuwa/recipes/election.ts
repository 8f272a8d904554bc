import { hasCode } from '../../base/errors.ts';
import { assertValue } from '../client/arguments.ts';
import { followNodes } from '../client/follow.ts';
import { type Leadership, NuwaError, type NuwaNode } from '../contract.ts';
import { orAbort, type RecipeContext, withinSession, writeOwn } from './context.ts';
import { acquire, Held, modeOf } from './lock.ts';

/**
 * An election is the exclusive lock of its path (lock.ts) whose holder is called leader, and whose node's value is for all to see: an address,
 * a name. So its token, its order and what happens when something is lost are the lock's, and `lock` and `elect` on one path exclude one
 * another. The leader is the node with the lowest `createRevision`; who does not want to lead looks, and never queues.
 */
export async function elect(
  context: RecipeContext,
  path: string,
  value: Uint8Array,
  options: { signal?: AbortSignal } = {},
): Promise<Leadership> {
  return new Leader(context, await acquire(context, path, 'exclusive', value, options.signal));
}

class Leader extends Held implements Leadership {
  async setValue(value: Uint8Array): Promise<void> {
    const { context, path, token } = this;
    assertValue(value);
    if (!this.held) throw new NuwaError('NotHeld', `${path} no longer leads`);
    const set = () => writeOwn(context, (id) => context.rpc.set({ ...id, path, value, createRevision: token }));
    await withinSession(context, this.lost, (until) => orAbort(set(), until, () => {})).catch((error) => {
      if (hasCode(error, 'NoNode', 'BadVersion', 'NoSession')) throw new NuwaError('NotHeld', `${path} no longer leads`, { cause: error });
      throw error;
    });
  }
}

type Seen = { value: Uint8Array; token: number } | undefined;

/** Who leads now, then each change of the leader or its value. */
export async function* observe(context: RecipeContext, path: string, signal?: AbortSignal): AsyncGenerator<Seen, undefined> {
  const candidates = new Map<string, { value: Uint8Array; token: number }>();
  let told: Seen;
  let first = true;
  for await (const news of followNodes({ watches: context.watches, path, recursive: false, signal, log: context.log })) {
    if (news.kind === 'snapshot') {
      candidates.clear();
      for (const node of news.nodes)
        if (isCandidate(node, path)) candidates.set(node.path, { value: node.value, token: node.createRevision });
    } else if (isCandidate(news.event, path)) {
      const { kind, path: node, revision, value } = news.event;
      if (kind === 'deleted') candidates.delete(node);
      else candidates.set(node, { value: value!, token: kind === 'created' ? revision : (candidates.get(node)?.token ?? revision) });
    }
    const leader = leaderOf(candidates);
    if (!first && leader?.token === told?.token && leader?.value === told?.value) continue;
    first = false;
    told = leader;
    yield leader && { ...leader };
  }
}

function isCandidate(node: Pick<NuwaNode, 'path'>, path: string): boolean {
  return node.path !== path && modeOf(node) === 'exclusive';
}

function leaderOf(candidates: ReadonlyMap<string, { value: Uint8Array; token: number }>): Seen {
  let leader: Seen;
  for (const candidate of candidates.values()) if (!leader || candidate.token < leader.token) leader = candidate;
  return leader;
}
