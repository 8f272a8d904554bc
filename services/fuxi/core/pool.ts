/**
 * Who gets what: FuxiMaster's mind.
 *
 * `apply(pool, event)` brings the books up to date with what happened to nodes and TaskMasters; `schedule(pool)` (pool-schedule.ts) then gives
 * free room to those who wait. Both return the effects wanted and do nothing else: the same events in the same order give the same effects.
 *
 * The books are soft state. Each TaskMaster tells everything it wants and has in every exchange, so a FuxiMaster that starts with
 * empty books fills them by listening. What makes that safe is knowing which story each difference tells:
 * - granted, but not in `holding`, by a grant newer than the newest the TaskMaster has seen: it is on its way and counts as held;
 * - granted, but not in `holding`, by a grant that it has seen: it was given back;
 * - in `holding`, but not in the books: it was granted by an earlier epoch and is adopted, if the Tubo of its node still lives.
 * A TaskMaster that has seen grants of another epoch only, has seen none of this one.
 */

import type { z } from 'zod';
import { assertNever } from '../../base/assert.ts';
import type { Container, ContainersLostSignal, exchangeSchema, GrantSignal } from '../contract.ts';
import { containerOrigin } from './pool-container.ts';
import {
  addContainer,
  epochName,
  type Pool,
  type PoolNode,
  putNode,
  type Requester,
  removeContainer,
  requesterKey,
  type TaskMasterRun,
} from './pool-state.ts';

export type FullExchange = z.output<typeof exchangeSchema>;

export type PoolEvent =
  | { kind: 'nodeUp'; node: PoolNode }
  | { kind: 'nodeDown'; node: string; reason: string }
  | { kind: 'exchange'; exchange: FullExchange }
  /** The TaskMaster's run has ended. */
  | { kind: 'gone'; taskMaster: TaskMasterRun }
  /** After a start: the TaskMasters that run and are about to be sent `resync`. */
  | { kind: 'expect'; taskMasters: TaskMasterRun[] }
  /** Some did not tell in time: go on without them. */
  | { kind: 'stopExpecting' };

export type PoolEffect =
  | { kind: 'grant'; to: TaskMasterRun; signal: GrantSignal }
  | { kind: 'containersLost'; to: TaskMasterRun; signal: ContainersLostSignal };

/** Changes `pool` in place. */
export function apply(pool: Pool, event: PoolEvent): PoolEffect[] {
  switch (event.kind) {
    case 'nodeUp':
      return handleNodeUp(pool, event.node);
    case 'nodeDown':
      return handleNodeDown(pool, event.node, event.reason);
    case 'exchange':
      return handleExchange(pool, event.exchange);
    case 'gone':
      return handleGone(pool, requesterKey(event.taskMaster));
    case 'expect':
      return handleExpect(pool, event.taskMasters.map(requesterKey));
    case 'stopExpecting':
      pool.recovering = undefined;
      return [];
    default:
      return assertNever(event);
  }
}

function handleNodeUp(pool: Pool, node: PoolNode): PoolEffect[] {
  const known = pool.nodes.get(node.id);
  const anew = known !== undefined && known.incarnation !== node.incarnation;
  const effects = anew ? handleNodeDown(pool, node.id, `the Tubo of ${node.id} started anew`) : [];
  putNode(pool, node);
  return effects;
}

function handleNodeDown(pool: Pool, id: string, reason: string): PoolEffect[] {
  const node = pool.nodes.get(id);
  if (!node) return [];
  const lost = new Map<Requester, string[]>();
  for (const container of [...node.containers.values()]) {
    const requester = pool.requesters.get(container.requester)!;
    lost.set(requester, [...(lost.get(requester) ?? []), container.id]);
    removeContainer(pool, container);
  }
  pool.nodes.delete(id);
  return [...lost].map(([requester, containers]) => containersLost(requester, containers, reason));
}

function handleExchange(pool: Pool, exchange: FullExchange): PoolEffect[] {
  const requester = becomeKnown(pool, exchange);
  if (exchange.epoch === epochName(pool)) maybeRecovered(pool, requester.key);
  if (exchange.sequence <= requester.sequence) return []; // late, or told twice
  const { sequence, user, quotaGroup, priority, resources, want, avoid, prefer } = exchange;
  Object.assign(requester, { sequence, user, quotaGroup, priority, resources, want, avoid, prefer });

  const effects: PoolEffect[] = [];
  for (const container of exchange.holding) {
    const refusal = maybeAdopt(pool, requester, container);
    if (refusal) effects.push(containersLost(requester, [container.id], refusal));
  }
  const grantSeen = exchange.epoch === epochName(pool) ? exchange.grantSeen : 0;
  const listed = new Set(exchange.holding.map((container) => container.id));
  for (const container of [...requester.containers.values()])
    if (want === 0 || (!listed.has(container.id) && container.grant <= grantSeen)) removeContainer(pool, container);
  return effects;
}

/** @returns why the container cannot be the requester's, if so. */
function maybeAdopt(pool: Pool, requester: Requester, { id, node }: Container): string | undefined {
  const known = pool.containers.get(id);
  if (known)
    return known.requester === requester.key ? undefined : `${id} belongs to ${pool.requesters.get(known.requester)!.taskWorkflowId}`;
  const books = pool.nodes.get(node);
  if (!books) return `${node} is gone`;
  const origin = containerOrigin(id);
  if (origin && origin.incarnation !== books.incarnation) return `the Tubo of ${node} started anew`;
  if (origin && origin.epoch === pool.epoch) return `${id} was taken back`;
  addContainer(pool, { id, node, requester: requester.key, resources: requester.resources, grant: 0 });
  return undefined;
}

function becomeKnown(pool: Pool, exchange: FullExchange): Requester {
  const { taskWorkflowId, taskRunId, user, quotaGroup, priority, resources } = exchange;
  const key = requesterKey(exchange);
  const known = pool.requesters.get(key);
  if (known) return known;
  const identity = { key, taskWorkflowId, taskRunId, user, quotaGroup, priority, resources };
  const empty = { sequence: -1, want: 0, avoid: [], prefer: {}, grants: 0, turn: ++pool.turn, passedOver: 0, containers: new Map() };
  const requester: Requester = { ...identity, ...empty };
  pool.requesters.set(key, requester);
  return requester;
}

function handleGone(pool: Pool, key: string): PoolEffect[] {
  maybeRecovered(pool, key);
  const requester = pool.requesters.get(key);
  for (const container of [...(requester?.containers.values() ?? [])]) removeContainer(pool, container);
  pool.requesters.delete(key);
  return [];
}

function handleExpect(pool: Pool, keys: string[]): PoolEffect[] {
  if (pool.recovering) pool.recovering = keys.length > 0 ? { expected: new Set(keys) } : undefined;
  return [];
}

function maybeRecovered(pool: Pool, key: string): void {
  const expected = pool.recovering?.expected;
  if (expected?.delete(key) && expected.size === 0) pool.recovering = undefined;
}

function containersLost(to: Requester, containers: string[], reason: string): PoolEffect {
  return {
    kind: 'containersLost',
    to: { taskWorkflowId: to.taskWorkflowId, taskRunId: to.taskRunId },
    signal: { containers, reason },
  };
}
