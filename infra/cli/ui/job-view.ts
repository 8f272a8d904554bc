import type { JobProgress, TaskProgress } from '../../../services/fuxi/contract.ts';
import { describeFailure, type JobFailure } from './failure.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount, formatMs } from './units.ts';

/** All that `feitian job status` tells of one run. */
export interface JobStatus {
  id: string;
  runId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT. */
  status: string;
  startedAtMs: number;
  closedAtMs?: number;
  ui?: string;
  /** Absent when no worker is there to tell it. */
  progress?: JobProgress;
  failure?: JobFailure;
}

export function describeStatus(job: JobStatus, nowMs: number): string {
  const { progress } = job;
  const tookMs = (job.closedAtMs ?? nowMs) - job.startedAtMs;
  const phase = progress ? `${progress.phase}${progress.paused ? ', paused' : ''}` : job.status.toLowerCase();
  const lines = [`job      ${job.id}`, `run      ${job.runId}`, `phase    ${phase}, ${formatMs(tookMs)}${timeOfPhases(progress)}`];
  const published = progress?.phase !== 'failed' && progress?.phase !== 'cancelled';
  for (const directory of (published && progress?.outputs) || []) lines.push(`output   ${directory}`);
  if (job.ui) lines.push(`web      ${job.ui}`);
  if (progress && Object.keys(progress.tasks).length > 0) lines.push('', taskTable(progress, nowMs));
  for (const [name, { waits }] of Object.entries(progress?.tasks ?? {})) if (waits !== undefined) lines.push('', `${name} waits: ${waits}`);
  if (!progress && job.status === 'RUNNING')
    lines.push(
      '',
      'its workflow does not answer now, so nothing is known of its tasks: no worker runs, or it cannot go on (the Web UI tells)',
    );
  if (job.failure) lines.push('', describeFailure(job.failure));
  return lines.join('\n');
}

function timeOfPhases(progress: JobProgress | undefined): string {
  const parts: string[] = [];
  if (progress?.planMs !== undefined) parts.push(`plan ${formatMs(progress.planMs)}`);
  if (progress?.publishMs !== undefined) parts.push(`publish ${formatMs(progress.publishMs)}`);
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
}

const COLUMNS = [
  { title: 'task' },
  { title: 'done', align: 'right' },
  { title: 'running', align: 'right' },
  { title: 'failed attempts', align: 'right' },
  { title: 'backups', align: 'right' },
  { title: 'bytes in', align: 'right' },
  { title: 'bytes out', align: 'right' },
  { title: 'records in', align: 'right' },
  { title: 'records out', align: 'right' },
  { title: 'time', align: 'right' },
] as const;

export function taskTable(progress: JobProgress, nowMs: number): string {
  const rows = Object.entries(progress.tasks).map(([name, task]) => [
    name,
    `${task.done}/${task.instances}`,
    String(task.running),
    String(task.failedAttempts),
    String(task.backups),
    formatBytes(task.bytesIn),
    formatBytes(task.bytesOut),
    formatCount(task.recordsIn),
    formatCount(task.recordsOut),
    timeOf(task, progress, nowMs),
  ]);
  return renderTable(COLUMNS, rows);
}

function timeOf({ startedAtMs, finishedAtMs }: TaskProgress, progress: JobProgress, nowMs: number): string {
  return startedAtMs === undefined ? '' : formatMs((finishedAtMs ?? progress.finishedAtMs ?? nowMs) - startedAtMs);
}

/** One line for those who watch without a terminal: `map 12/40 (3 running)  reduce 0/8`. */
export function progressLine(progress: JobProgress): string {
  const tasks = Object.entries(progress.tasks).map(([name, task]) => {
    const notes = [
      ...(task.running > 0 ? [`${task.running} running`] : []),
      ...(task.failedAttempts > 0 ? [`${task.failedAttempts} failed`] : []),
      ...(task.backups > 0 ? [`${task.backups} backups`] : []),
    ];
    return `${name} ${task.done}/${task.instances}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
  });
  return [`${progress.phase}${progress.paused ? ', paused' : ''}:`, ...tasks].join('  ');
}
