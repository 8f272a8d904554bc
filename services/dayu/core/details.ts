import { alignColumns } from '../../base/columns.ts';
import { wrap } from '../../base/wrap.ts';
import type { RolloutPlan, RolloutProgress } from '../contract.ts';

/**
 * What the Temporal Web UI shows as a rollout's current details: its waves and a table of nodes. Fixed-width text in a code block, as the Web UI
 * draws neither diagrams nor Markdown tables.
 */
export function rolloutDetails(progress: RolloutProgress, plan: RolloutPlan | undefined): string {
  const lines = [`**${progress.application} ${progress.version}**: ${progress.phase}`, ''];
  // In a code block, for a program's last words may hold anything.
  if (progress.reason) lines.push('```', wrap(progress.reason).replaceAll('```', "'''"), '```', '');
  if (!plan) return lines.join('\n');
  if (plan.waves.length > 0) lines.push('```', ...waveLines(progress, plan), '', ...nodeTable(progress), '```', '');
  if (plan.unchanged.length > 0) lines.push(`Runs it already: ${plan.unchanged.join(', ')}`);
  return lines.join('\n').trimEnd();
}

function waveLines(progress: RolloutProgress, plan: RolloutPlan): string[] {
  return plan.waves.map(({ kind, rack, steps, because }, i) => {
    const done = steps.every(({ node }) => progress.nodes[node]?.state === 'healthy');
    const mark = i + 1 === progress.wave && progress.finishedAtMs === undefined ? '▶' : done ? '✓' : ' ';
    const why = wrap(because).replaceAll(/^/gm, '     ');
    return `${mark} ${i + 1}. ${kind}, ${rack}: ${steps.map(({ node }) => node).join(', ')}\n${why}`;
  });
}

const MESSAGE_MAX = 160;

export function nodeTable({ nodes }: RolloutProgress): string[] {
  const rows = [['node', 'wave', 'from → to', 'state']];
  for (const [node, { wave, from, to, state }] of Object.entries(nodes)) rows.push([node, String(wave), describeChange(from, to), state]);
  const messages = Object.entries(nodes).flatMap(([node, { message }]) => (message ? ['', wrap(`${node}: ${oneLine(message)}`)] : []));
  return [...alignColumns(rows, { left: 4 }), ...messages];
}

export function describeChange(from: string | undefined, to: string): string {
  return `${from ?? '(none)'} → ${to}`;
}

/** For a table and a summary: the first of it, in one line. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > MESSAGE_MAX ? `${line.slice(0, MESSAGE_MAX - 1)}…` : line;
}
