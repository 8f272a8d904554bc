import { alignColumns } from '../../base/columns.ts';
import { formatBytes } from '../../base/units.ts';
import type { WorkPlan, WorkProgress } from '../work-contract.ts';

const TITLES = { repair: 'Replicas are made again', balance: 'Nodes are evened out', drain: 'Nodes are emptied' } as const;

/** What the Temporal Web UI shows as the current details. */
export function workDetails(progress: WorkProgress, plan: WorkPlan | undefined): string {
  const { kind, phase, replicas, bytes, replicasLeft, bytesLeft, bytesPerSecond, message } = progress;
  const lines = [`**${TITLES[kind]}**: ${phase}`, ''];
  if (message) lines.push(message, '');
  lines.push(`${replicas} replicas, ${formatBytes(bytes)} done; ${replicasLeft} replicas, ${formatBytes(bytesLeft)} left`);
  if (bytesPerSecond !== null) lines.push(`at up to ${formatBytes(bytesPerSecond)} a second`);
  if (!plan) return lines.join('\n');
  lines.push('', `Planned: ${plan.replicas} replicas, ${formatBytes(plan.bytes)}`);
  for (const [copies, chunks] of Object.entries(plan.byCopies)) lines.push(`- ${chunks} chunks with ${copies} left`);
  if (plan.nodes.length > 0) lines.push('', '```', ...planTable(plan), '```');
  lines.push('', ...plan.steps.map((step, i) => `${i + 1}. ${step}`));
  return lines.join('\n').trimEnd();
}

export function planTable({ nodes }: WorkPlan): string[] {
  const rows = nodes.map(({ id, rack, up, replicas, bytes, target }) => [
    id,
    rack,
    up ? 'up' : 'away',
    String(replicas),
    formatBytes(bytes),
    formatBytes(target),
  ]);
  return alignColumns([['node', 'rack', 'state', 'replicas', 'bytes', 'to hold'], ...rows], { left: 3 });
}
