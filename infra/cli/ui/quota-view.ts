import type { NodeSpace, Quota } from '../../../services/pangu/contract.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount } from './units.ts';

const right = (title: string) => ({ title, align: 'right' }) as const;

export function quotaTable(quotas: readonly Quota[]): string {
  const limit = (max: number | null, format: (value: number) => string): string => (max === null ? 'any' : format(max));
  return renderTable(
    [right('files'), right('of'), right('bytes'), right('of'), { title: 'directory' }],
    quotas.map(({ path, files, filesMax, bytes, bytesMax }) => [
      formatCount(files),
      limit(filesMax, formatCount),
      formatBytes(bytes),
      limit(bytesMax, formatBytes),
      path,
    ]),
  );
}

export interface Space {
  usedBytes: number;
  freeBytes: number;
  nodes: NodeSpace[];
}

/** A server that is away or drains takes nothing, so its room is nobody's. */
export function sumSpace(nodes: NodeSpace[]): Space {
  const sum = (list: NodeSpace[], of: (node: NodeSpace) => number): number => list.reduce((total, node) => total + of(node), 0);
  return {
    usedBytes: sum(nodes, ({ bytes }) => bytes),
    freeBytes: sum(
      nodes.filter(({ up, draining }) => up && !draining),
      ({ freeBytes }) => freeBytes,
    ),
    nodes,
  };
}

export function spaceTable({ usedBytes, freeBytes, nodes }: Space): string {
  const share = (used: number, free: number): string => (used + free > 0 ? `${Math.round((100 * used) / (used + free))}%` : '');
  const rows = nodes.map(({ node, rack, up, draining, bytes, freeBytes: free }) => [
    node,
    rack,
    up ? (draining ? 'draining' : 'up') : 'away',
    formatBytes(bytes),
    formatBytes(free),
    share(bytes, free),
  ]);
  return renderTable(
    [{ title: 'node' }, { title: 'rack' }, { title: 'state' }, right('used'), right('free'), right('full')],
    [...rows, ['all', '', '', formatBytes(usedBytes), formatBytes(freeBytes), share(usedBytes, freeBytes)]],
  );
}
