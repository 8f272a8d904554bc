import { alignColumns } from '../../base/columns.ts';
import { formatBytes } from '../../base/units.ts';
import { wrap } from '../../base/wrap.ts';
import type { JobPlan, JobProgress, TaskProgress } from '../contract.ts';

/**
 * What the Temporal Web UI shows as the workflow's current details: the DAG and a table of tasks. Fixed-width text in a code block,
 * as the Web UI draws neither diagrams nor Markdown tables.
 */
export function jobDetails(progress: JobProgress, plan: JobPlan | undefined): string {
  const lines = [`**${progress.name}**: ${progress.paused ? 'paused' : progress.phase}`, ''];
  // In a code block, for a program's last words may hold anything.
  if (progress.failure) lines.push('```', wrap(progress.failure).replaceAll('```', "'''"), '```', '');
  const tasks = Object.entries(progress.tasks);
  if (plan) lines.push('```', ...dagLines(plan), '', ...taskTable(tasks), ...waitLines(tasks), '```');
  const ended = progress.phase === 'failed' || progress.phase === 'cancelled';
  if (progress.outputs.length > 0 && !ended) lines.push('', `Output: ${progress.outputs.map((path) => `\`${path}\``).join(', ')}`);
  return lines.join('\n');
}

export function taskDetails(task: string, progress: TaskProgress): string {
  return ['```', ...taskTable([[task, progress]]), ...waitLines([[task, progress]]), '```'].join('\n');
}

function waitLines(tasks: [string, TaskProgress][]): string[] {
  return tasks.flatMap(([name, { waits }]) => (waits === undefined ? [] : ['', `${name} waits: ${waits}`]));
}

function dagLines(plan: JobPlan): string[] {
  return plan.order.map((name) => {
    const task = plan.tasks[name]!;
    const from =
      task.after.length > 0
        ? task.after.join(' + ')
        : task.inputFiles > 0
          ? `${task.inputFiles} ${task.inputFiles === 1 ? 'file' : 'files'}, ${formatBytes(task.inputBytes)}`
          : '(no input)';
    const output = plan.outputs.find((candidate) => candidate.task === name);
    return `${from} ──▶ ${name} (${task.program})${output ? ` ──▶ ${output.directory}` : ''}`;
  });
}

export function taskTable(tasks: [string, TaskProgress][]): string[] {
  const rows = [['task', 'done', 'running', 'failed', 'backups', 'rerun', 'in', 'out']];
  for (const [name, task] of tasks) {
    rows.push([
      name,
      `${task.done}/${task.instances}`,
      String(task.running),
      String(task.failedAttempts),
      String(task.backups),
      String(task.rerun),
      formatBytes(task.bytesIn),
      formatBytes(task.bytesOut),
    ]);
  }
  return alignColumns(rows, { left: 1 });
}
