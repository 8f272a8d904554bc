import { alignColumns } from '../../base/columns.ts';
import { formatBytes } from '../../base/units.ts';
import type { NodesPlan, NodesProgress } from '../nodes-contract.ts';

/** What the Temporal Web UI shows as the current details: a table of nodes as fixed-width text, and below it what each waits for. */
export function nodesDetails(progress: NodesProgress, plan: NodesPlan | undefined): string {
  const title = progress.kind === 'expand' ? 'Nodes join' : 'Nodes leave';
  const lines = [`**${title}**: ${progress.phase}`, ''];
  if (progress.reason) lines.push(progress.reason, '');
  lines.push('```', ...nodesTable(progress), '```', '');
  for (const [id, { message }] of Object.entries(progress.nodes)) if (message) lines.push(`- **${id}**: ${message}`);
  if (plan && progress.finishedAtMs === undefined) lines.push('', ...plan.steps.map((step, i) => `${i + 1}. ${step}`));
  return lines.join('\n').trimEnd();
}

export function nodesTable({ nodes }: NodesProgress): string[] {
  const rows = [['node', 'rack', 'state', 'replicas moved', 'left', 'bytes moved', 'left']];
  for (const [id, node] of Object.entries(nodes))
    rows.push([
      id,
      node.rack,
      node.state,
      String(node.replicasMoved),
      String(node.replicasLeft),
      formatBytes(node.bytesMoved),
      formatBytes(node.bytesLeft),
    ]);
  return alignColumns(rows, { left: 3 });
}
