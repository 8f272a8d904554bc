import type { WorkPlan, WorkProgress } from '../../../services/pangu/work-contract.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount, formatMs } from './units.ts';

/** How a repair, a balance or a drain stands. */
export function describeWork(progress: WorkProgress, plan: WorkPlan | undefined, nowMs = Date.now()): string {
  const { kind, phase, message, startedAtMs, finishedAtMs, bytesPerSecond } = progress;
  const lines = plan && plan.nodes.length > 0 && finishedAtMs === undefined ? [planTable(plan), ''] : [];
  lines.push(`${kind} ${phase}${message ? `: ${message}` : ''}, ${formatMs((finishedAtMs ?? nowMs) - startedAtMs)}`, amounts(progress));
  if (bytesPerSecond !== null) lines.push(`at up to ${formatBytes(bytesPerSecond)} a second`);
  return lines.join('\n');
}

/** One line on how it goes. */
export function workLine(progress: WorkProgress): string {
  const { phase, message } = progress;
  return `${phase}: ${amounts(progress)}${message ? ` (${message})` : ''}`;
}

function amounts({ replicas, bytes, replicasLeft, bytesLeft, finishedAtMs }: WorkProgress): string {
  const done = `${formatCount(replicas)} replicas, ${formatBytes(bytes)}`;
  if (bytesLeft === 0 && finishedAtMs !== undefined) return done;
  // A balance knows its bytes; how many replicas they are comes out as it goes.
  return `${done}; ${replicasLeft > 0 ? `${formatCount(replicasLeft)} replicas, ` : ''}${formatBytes(bytesLeft)} left`;
}

function planTable({ nodes }: WorkPlan): string {
  const columns = [
    { title: 'node' },
    { title: 'rack' },
    { title: 'replicas', align: 'right' },
    { title: 'bytes', align: 'right' },
    { title: 'to hold', align: 'right' },
  ] as const;
  const rows = nodes.map(({ id, rack, up, replicas, bytes, target }) => [
    up ? id : `${id} (away)`,
    rack,
    formatCount(replicas),
    formatBytes(bytes),
    formatBytes(target),
  ]);
  return renderTable(columns, rows);
}
