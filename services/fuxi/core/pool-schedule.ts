/**
 * Giving room away. Higher priority first; among equals the one whose last turn is longest ago, one container a turn, so that two
 * jobs share what comes free. A request that fits nowhere now is passed over, so that small ones fill the gaps; but after
 * `PASSED_OVER_MAX` containers have gone to others behind it, one node is kept clear for it until it fits, so that a stream of small
 * requests cannot starve a large one.
 */
import type { Container } from '../contract.ts';
import type { PoolEffect } from './pool.ts';
import { containerId } from './pool-container.ts';
import { fits, TOLERANCE } from './pool-resources.ts';
import { addContainer, deficitOf, epochName, type NodeBooks, type Pool, type Requester } from './pool-state.ts';

/** Larger keeps nodes fuller; smaller lets large requests wait less. */
export const PASSED_OVER_MAX = 16;

/** Changes `pool` in place. All containers that one requester gets go out in one grant. */
export function schedule(pool: Pool): PoolEffect[] {
  if (pool.recovering) return [];
  const granted = new Map<Requester, Container[]>();
  const stuck: Requester[] = [];
  const keptClear = new Set<string>();
  for (const line of linesByPriority(pool)) {
    for (let next = line.shift(); next; next = line.shift()) {
      const node = chooseNode(pool, next, keptClear);
      if (!node) {
        stuck.push(next);
        if (next.passedOver >= PASSED_OVER_MAX) maybeKeepClear(pool, next, keptClear);
        continue;
      }
      granted.set(next, [...(granted.get(next) ?? []), give(pool, next, node)]);
      for (const other of stuck) other.passedOver++;
      if (deficitOf(next) > 0) line.push(next);
    }
  }
  return [...granted].map(([requester, containers]) => {
    const { taskWorkflowId, taskRunId } = requester;
    const number = ++requester.grants;
    return { kind: 'grant', to: { taskWorkflowId, taskRunId }, signal: { epoch: epochName(pool), number, containers } };
  });
}

/** Those that wait, most urgent first. */
export function waitingLine(pool: Pool): Requester[] {
  return [...pool.requesters.values()].filter((r) => deficitOf(r) > 0).sort((a, b) => b.priority - a.priority || a.turn - b.turn);
}

function linesByPriority(pool: Pool): Requester[][] {
  const lines = new Map<number, Requester[]>();
  for (const requester of waitingLine(pool)) lines.set(requester.priority, [...(lines.get(requester.priority) ?? []), requester]);
  return [...lines.values()];
}

function give(pool: Pool, requester: Requester, node: NodeBooks): Container {
  const id = containerId({ node: node.id, incarnation: node.incarnation, epoch: pool.epoch }, ++pool.serial);
  addContainer(pool, { id, node: node.id, requester: requester.key, resources: requester.resources, grant: requester.grants + 1 });
  requester.turn = ++pool.turn;
  requester.passedOver = 0;
  return { id, node: node.id };
}

/** Of the nodes with room: one that more of the requester's instances prefer than it has containers there; then the emptiest; then by id. */
function chooseNode(pool: Pool, requester: Requester, keptClear: ReadonlySet<string>): NodeBooks | undefined {
  return emptiest(preferredNodes(pool, requester), requester, keptClear) ?? emptiest(pool.nodes.values(), requester, keptClear);
}

function preferredNodes(pool: Pool, requester: Requester): NodeBooks[] {
  return Object.entries(requester.prefer).flatMap(([id, instances]) => {
    const node = pool.nodes.get(id);
    return node && instances > containersOn(requester, id) ? [node] : [];
  });
}

function emptiest(nodes: Iterable<NodeBooks>, { resources, avoid }: Requester, keptClear: ReadonlySet<string>): NodeBooks | undefined {
  let best: NodeBooks | undefined;
  for (const node of nodes) {
    // The cheap question first: of thousands of nodes few are emptier than the best so far.
    if (node.leaving || (best && !isEmptier(node, best))) continue;
    if (fits(resources, node.free) && !keptClear.has(node.id) && !avoid.includes(node.id)) best = node;
  }
  return best;
}

function isEmptier(a: NodeBooks, b: NodeBooks): boolean {
  return Math.abs(a.room - b.room) > TOLERANCE ? a.room > b.room : a.id < b.id;
}

function containersOn(requester: Requester, node: string): number {
  let count = 0;
  for (const container of requester.containers.values()) if (container.node === node) count++;
  return count;
}

/** Keeps one node for a request that has waited long: of those large enough, the one with the most free cpu. */
function maybeKeepClear(pool: Pool, requester: Requester, keptClear: Set<string>): void {
  const candidates = [...pool.nodes.values()].filter(
    (node) => !node.leaving && !keptClear.has(node.id) && !requester.avoid.includes(node.id) && fits(requester.resources, node.capacity),
  );
  candidates.sort((a, b) => b.free.cpu - a.free.cpu || (a.id < b.id ? -1 : 1));
  if (candidates[0]) keptClear.add(candidates[0].id);
}
