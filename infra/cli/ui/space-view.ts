import type { NodeSpace } from '../../../services/pangu/contract.ts';
import { renderTable } from './table.ts';
import { formatBytes } from './units.ts';

const right = (title: string) => ({ title, align: 'right' }) as const;

export interface Space {
  /** Of disks that take chunks, of nodes that are there. */
  totalBytes: number;
  /** Of replicas, on all nodes. */
  panguBytes: number;
  /** That new chunks may take: a server that is away or drains takes none. */
  freeBytes: number;
  nodes: NodeSpace[];
}

export function sumSpace(nodes: NodeSpace[]): Space {
  const sum = (list: NodeSpace[], of: (node: NodeSpace) => number): number => list.reduce((total, node) => total + of(node), 0);
  const up = nodes.filter((node) => node.up);
  return {
    totalBytes: sum(up, ({ totalBytes }) => totalBytes),
    panguBytes: sum(nodes, ({ bytes }) => bytes),
    freeBytes: sum(
      up.filter(({ draining }) => !draining),
      ({ freeBytes }) => freeBytes,
    ),
    nodes,
  };
}

/** `full` counts whatever is on the disks, Pangu's or not. */
export function describeSpace({ totalBytes, panguBytes, freeBytes, nodes }: Space): string {
  const share = (total: number, free: number): string => (total > 0 ? `${Math.round((100 * (total - free)) / total)}%` : '');
  const rows = nodes.map(({ node, rack, up, draining, bytes, freeBytes: free, totalBytes: total }) => [
    node,
    rack,
    up ? (draining ? 'draining' : 'up') : 'away',
    up ? formatBytes(total) : '',
    formatBytes(bytes),
    up ? formatBytes(free) : '',
    up ? share(total, free) : '',
  ]);
  const table = renderTable(
    [{ title: 'node' }, { title: 'rack' }, { title: 'state' }, right('size'), right('pangu'), right('free'), right('full')],
    [...rows, ['all', '', '', formatBytes(totalBytes), formatBytes(panguBytes), formatBytes(freeBytes), share(totalBytes, freeBytes)]],
  );
  const disks = nodes.flatMap(({ node, disks }) =>
    disks
      .filter(({ state }) => state !== 'healthy')
      .map(({ path, state, reason }) => `${node}: disk ${path} is ${state}${reason ? `: ${reason}` : ''}`),
  );
  return [table, ...disks].join('\n');
}
