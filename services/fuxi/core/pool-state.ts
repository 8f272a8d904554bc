/**
 * The books of FuxiMaster: which nodes there are, who asked for what, who holds what.
 *
 * Invariants:
 * - a container stands in the books of exactly one node and exactly one requester, the same object in both;
 * - containers granted in this epoch never exceed their node; only containers adopted from an earlier epoch can;
 * - a requester's `sequence` and `grants`, and the pool's `serial` and `turn`, only grow.
 */
import { assertInvariant } from '../../base/assert.ts';
import type { Resources } from '../contract.ts';
import { minus, sumOf } from './pool-resources.ts';

export interface PoolNode {
  id: string;
  rack: string;
  /** One life of the node's Tubo; another one means that whatever ran there is gone. */
  incarnation: string;
  capacity: Resources;
  /** It is about to leave: what was granted stays, nothing more is. @default false */
  leaving?: boolean;
}

export interface PoolContainer {
  id: string;
  node: string;
  requester: string;
  resources: Resources;
  /** The grant it went out with; 0 = adopted. */
  grant: number;
}

/** One run of a TaskMaster. */
export interface Requester {
  key: string;
  taskWorkflowId: string;
  taskRunId: string;
  sequence: number;
  user: string;
  quotaGroup: string;
  priority: number;
  resources: Resources;
  want: number;
  avoid: readonly string[];
  prefer: Readonly<Record<string, number>>;
  /** Grants sent. */
  grants: number;
  /** When it last had its turn; among equals the smallest is next. */
  turn: number;
  /** Containers that went to others behind it in line while it fitted nowhere. */
  passedOver: number;
  containers: Map<string, PoolContainer>;
}

export interface NodeBooks extends PoolNode {
  /** Capacity less what its containers hold; always summed anew, so that fractions do not drift. */
  free: Resources;
  /** Free share of its cpu or memory, whichever is smaller. */
  room: number;
  containers: Map<string, PoolContainer>;
}

export interface Pool {
  /** Which life of FuxiMaster this is: 1, 2, 3, … */
  readonly epoch: number;
  nodes: Map<string, NodeBooks>;
  requesters: Map<string, Requester>;
  containers: Map<string, PoolContainer>;
  /** While set nothing is granted: TaskMasters (of `expected`, once known) have not yet told what they hold. */
  recovering: { expected?: Set<string> } | undefined;
  serial: number;
  turn: number;
}

export function createPool(epoch: number): Pool {
  assertInvariant(Number.isSafeInteger(epoch) && epoch > 0, 'an epoch is a positive integer');
  return { epoch, nodes: new Map(), requesters: new Map(), containers: new Map(), recovering: {}, serial: 0, turn: 0 };
}

export const epochName = (pool: Pool): string => String(pool.epoch);

export interface TaskMasterRun {
  taskWorkflowId: string;
  taskRunId: string;
}

export const requesterKey = ({ taskWorkflowId, taskRunId }: TaskMasterRun): string => `${taskWorkflowId} ${taskRunId}`;

export function putNode(pool: Pool, node: PoolNode): void {
  const containers = pool.nodes.get(node.id)?.containers ?? new Map<string, PoolContainer>();
  pool.nodes.set(node.id, { ...node, containers, free: node.capacity, room: 1 });
  refreshFree(pool, node.id);
}

function refreshFree(pool: Pool, id: string): void {
  const node = pool.nodes.get(id);
  if (!node) return;
  const { capacity } = node;
  node.free = minus(capacity, sumOf([...node.containers.values()].map((container) => container.resources)));
  node.room = Math.min(node.free.cpu / capacity.cpu, node.free.memoryMiB / capacity.memoryMiB);
}

export const deficitOf = (requester: Requester): number => Math.max(0, requester.want - requester.containers.size);

export function addContainer(pool: Pool, container: PoolContainer): void {
  assertInvariant(!pool.containers.has(container.id), `container ${container.id} is granted once`);
  pool.containers.set(container.id, container);
  pool.nodes.get(container.node)!.containers.set(container.id, container);
  pool.requesters.get(container.requester)!.containers.set(container.id, container);
  refreshFree(pool, container.node);
}

export function removeContainer(pool: Pool, container: PoolContainer): void {
  pool.containers.delete(container.id);
  pool.nodes.get(container.node)?.containers.delete(container.id);
  pool.requesters.get(container.requester)?.containers.delete(container.id);
  refreshFree(pool, container.node);
}
