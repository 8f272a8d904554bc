import type { NodesProgress } from '../../../services/dayu/nodes-contract.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatMs } from './units.ts';

/** How nodes that come or go stand: a table, and what each waits for. */
export function describeNodes(progress: NodesProgress, nowMs = Date.now()): string {
  const { phase, reason, nodes, startedAtMs, finishedAtMs } = progress;
  const rows = Object.entries(nodes).map(([id, node]) => [
    id,
    node.rack,
    node.state,
    String(node.replicasMoved),
    formatBytes(node.bytesMoved),
  ]);
  const columns = [
    { title: 'node' },
    { title: 'rack' },
    { title: 'state' },
    { title: 'replicas', align: 'right' },
    { title: 'moved', align: 'right' },
  ] as const;
  return [
    renderTable(columns, rows),
    ...messages(progress),
    `${phase}${reason ? `: ${reason}` : ''}, ${formatMs((finishedAtMs ?? nowMs) - startedAtMs)}`,
  ].join('\n');
}

/** `node-5: 3 replicas: are being written to`. */
export function messages({ nodes }: NodesProgress): string[] {
  return Object.entries(nodes).flatMap(([id, { message }]) => (message ? [`${id}: ${message}`] : []));
}

/** One line on how it goes. */
export function nodesLine({ phase, nodes }: NodesProgress): string {
  const parts = Object.entries(nodes).map(([id, { state, bytesMoved, bytesLeft, message }]) => {
    const bytes = bytesMoved + bytesLeft > 0 ? `, ${formatBytes(bytesMoved)} of ${formatBytes(bytesMoved + bytesLeft)}` : '';
    return `${id} ${state}${bytes}${message ? ` (${message})` : ''}`;
  });
  return `${phase}: ${parts.join('; ')}`;
}
