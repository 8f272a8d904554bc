import type { Resources } from '../contract.ts';
import { fits, shortages } from './pool-resources.ts';
import { waitingLine } from './pool-schedule.ts';
import type { NodeBooks, Pool, Requester } from './pool-state.ts';

/** Nodes named in one sentence; of a large cluster those that come closest. */
const NODES_NAMED_MAX = 4;

export interface Waiting {
  taskWorkflowId: string;
  want: number;
  held: number;
  priority: number;
  why: string;
}

/** Every request that waits, the next in line first, and the reason. */
export function waiting(pool: Pool): Waiting[] {
  return waitingLine(pool).map((requester, index) => ({
    taskWorkflowId: requester.taskWorkflowId,
    want: requester.want,
    held: requester.containers.size,
    priority: requester.priority,
    why: whyWaiting(pool, requester, index + 1),
  }));
}

function whyWaiting(pool: Pool, requester: Requester, place: number): string {
  const needs = `needs ${describe(requester.resources)}`;
  const holds = requester.containers.size > 0 ? `holds ${requester.containers.size} of ${requester.want}; ` : '';
  if (pool.recovering) return `${holds}${needs}; FuxiMaster has just started and hears first what others hold`;
  const nodes = [...pool.nodes.values()].filter(({ leaving }) => !leaving);
  if (nodes.length === 0) return `${holds}${needs}; no node is there`;
  const never = whyNever(pool, requester);
  if (never !== undefined) return `${holds}${never}`;
  const large = nodes.filter((node) => fits(requester.resources, node.capacity));
  const allowed = large.filter((node) => !requester.avoid.includes(node.id));
  if (allowed.length === 0)
    return `${holds}${needs}; it keeps away from ${listed(large.map((node) => node.id))}, and no other node is large enough`;
  const avoided = requester.avoid.length > 0 ? `; keeps away from ${listed(requester.avoid)}` : '';
  return `${holds}${needs}; ${closest(requester, allowed, freeOf)}${avoided}; ${ordinal(place)} in line`;
}

/** When the cluster has nodes and none of them is large enough, however idle. */
export function whyNever(pool: Pool, requester: Requester): string | undefined {
  const nodes = [...pool.nodes.values()];
  if (pool.recovering || nodes.length === 0 || nodes.some((node) => fits(requester.resources, node.capacity))) return undefined;
  const needs = `needs ${describe(requester.resources)}`;
  return `${needs}: more than any node has, so it can never start here (${closest(requester, nodes, capacityOf)})`;
}

const freeOf = (node: NodeBooks): Resources => node.free;
const capacityOf = (node: NodeBooks): Resources => node.capacity;

/** What the nodes lack least come first: "node-1 has cpu 1 free, node-2 has cpu 0.5 free, 7 other nodes have no more". */
function closest(requester: Requester, nodes: NodeBooks[], measure: (node: NodeBooks) => Resources): string {
  const { resources } = requester;
  const word = measure === capacityOf ? 'in all' : 'free';
  const measured = nodes.map((node) => {
    const short = shortages(resources, measure(node));
    return { id: node.id, short, gap: Math.max(0, ...short.map(({ wanted, has }) => (wanted - has) / wanted)) };
  });
  measured.sort((a, b) => a.gap - b.gap || (a.id < b.id ? -1 : 1));
  const named = measured.slice(0, NODES_NAMED_MAX).map(({ id, short }) => {
    if (short.length === 0) return `${id} has room but is kept for a larger request`;
    return `${id} has ${short.map(({ dimension, has }) => `${amount(dimension, Math.max(0, has))}`).join(' and ')} ${word}`;
  });
  const others = measured.length - named.length;
  return [...named, ...(others > 0 ? [`${others} other nodes have no more`] : [])].join(', ');
}

function describe({ cpu, memoryMiB, virtual }: Resources): string {
  const parts = [amount('cpu', cpu), amount('memoryMiB', memoryMiB)];
  for (const [name, value] of Object.entries(virtual)) if (value > 0) parts.push(amount(name, value));
  return parts.join(', ');
}

function amount(dimension: string, value: number): string {
  const rounded = Number(value.toFixed(3));
  return dimension === 'memoryMiB' ? `${rounded} MiB` : `${dimension} ${rounded}`;
}

const listed = (names: readonly string[]): string =>
  names.length <= NODES_NAMED_MAX
    ? names.join(', ')
    : `${names.slice(0, NODES_NAMED_MAX).join(', ')} and ${names.length - NODES_NAMED_MAX} others`;

function ordinal(n: number): string {
  const teens = n % 100 >= 11 && n % 100 <= 13;
  const ending = teens ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${ending}`;
}
