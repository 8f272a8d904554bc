import type { Application, HistoryEntry, Instance, Placement, RolloutProgress, RolloutRecord } from '../../../services/dayu/contract.ts';
import { describeChange, oneLine } from '../../../services/dayu/core/details.ts';
import { colors as pc } from './colors.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatMs, formatTime } from './units.ts';

/** What `feitian dayu status <application>` tells. */
export interface ApplicationStatus extends Application {
  instances: Instance[];
  /** Nodes whose agent did not answer. */
  silent: string[];
  /** Of the rollout under way; absent when no worker is there to tell it. */
  progress?: RolloutProgress;
  /** How Temporal says the workflow ended that never gave the application back, such as TERMINATED. */
  endedUnsaid?: string;
}

export function describeApplication(status: ApplicationStatus, nowMs: number): string {
  const { application, releases, configuration, rollout, progress, endedUnsaid } = status;
  const values = Object.entries(configuration.values).map(([name, value]) => `${name}=${value}`);
  const parts = [
    `application    ${application}\nconfiguration  ${configuration.version}${values.length > 0 ? `: ${values.join(' ')}` : ''}`,
    `${pc.bold('releases')}\n${releaseTable(releases)}`,
    `${pc.bold('nodes')}\n${nodeTable(status)}`,
  ];
  if (rollout) parts.push(`${pc.bold('rollout')}\n${describeRollout(rollout, nowMs)}`);
  if (endedUnsaid)
    parts.push(
      `its workflow has ended all the same: ${endedUnsaid.toLowerCase()}; nodes are as it left them, and the next rollout takes the application over`,
    );
  if (progress) parts.push(`${rolloutPhase(progress)}\n${rolloutTable(progress)}`);
  return parts.join('\n\n');
}

function releaseTable(releases: Application['releases']): string {
  const columns = [{ title: 'version' }, { title: 'size', align: 'right' }, { title: 'digest' }, { title: 'registered' }] as const;
  return renderTable(
    columns,
    releases.map(({ version, bytes, digest, createdAtMs }) => [version, formatBytes(bytes), digest.slice(0, 12), formatTime(createdAtMs)]),
  );
}

/** What each node is meant to run beside what it does run. */
function nodeTable({ placements, instances }: ApplicationStatus): string {
  const nodes = [...new Set([...placements.map(({ node }) => node), ...instances.map(({ node }) => node)])];
  if (nodes.length === 0) return 'it runs nowhere';
  const columns = [
    { title: 'node' },
    { title: 'placed' },
    { title: 'since' },
    { title: 'role' },
    { title: 'runs' },
    { title: 'state' },
    { title: 'why' },
  ] as const;
  const rows = nodes.flatMap((node) => {
    const placement = placements.find((each) => each.node === node);
    const here = instances.filter((each) => each.node === node);
    const placed = [node, placement?.version ?? '(nothing)', placement ? formatTime(placement.sinceMs) : ''];
    return here.length === 0
      ? [[...placed, '', '(nothing)', '', whyOf(placement)]]
      : here.map((instance) => [...placed, ...instanceCells(instance, placement)]);
  });
  return renderTable(columns, rows);
}

function instanceCells({ role, version, state, restarts, message }: Instance, placement: Placement | undefined): string[] {
  const restarted = restarts > 0 ? `, ${restarts} restarts` : '';
  const well = state === 'healthy';
  return [
    role,
    version,
    `${well ? pc.green(state) : pc.yellow(state)}${restarted}`,
    well || !message ? whyOf(placement) : oneLine(message),
  ];
}

const whyOf = (placement: Placement | undefined): string => oneLine(placement?.why ?? '');

export function describeRollout(
  { workflowId, version, user, state, reason, startedAtMs, endedAtMs }: RolloutRecord,
  nowMs: number,
): string {
  const took = formatMs((endedAtMs ?? nowMs) - startedAtMs);
  const lines = [
    `${workflowId}: ${version} by ${user}, ${colourOf(state)}${endedAtMs ? ` at ${formatTime(endedAtMs)} after` : ' for'} ${took}`,
  ];
  if (reason) lines.push(reason);
  return lines.join('\n');
}

function colourOf(state: string): string {
  if (state === 'done' || state === 'unchanged') return pc.green(state);
  return state === 'running' ? state : pc.yellow(state);
}

export function rolloutTable({ nodes }: RolloutProgress): string {
  const columns = [
    { title: 'node' },
    { title: 'wave', align: 'right' },
    { title: 'from → to' },
    { title: 'state' },
    { title: 'message' },
  ] as const;
  return renderTable(
    columns,
    Object.entries(nodes).map(([node, { wave, from, to, state, message = '' }]) => [
      node,
      String(wave),
      describeChange(from, to),
      state === 'healthy' ? pc.green(state) : state === 'failed' ? pc.red(state) : state,
      oneLine(message),
    ]),
  );
}

/** `rolling, wave 2/3`. */
export function rolloutPhase({ phase, wave, waves }: RolloutProgress): string {
  return wave > 0 ? `${phase}, wave ${wave}/${waves}` : phase;
}

/** One line for those who watch without a terminal: `rolling, wave 2/3:  node-1 healthy  node-2 deploying`. */
export function rolloutLine(progress: RolloutProgress): string {
  const { nodes, reason } = progress;
  const touched = Object.entries(nodes).flatMap(([node, { state }]) => (state === 'pending' ? [] : [`${node} ${state}`]));
  return [`${rolloutPhase(progress)}:`, ...touched, ...(reason ? [`(${oneLine(reason)})`] : [])].join('  ');
}

export function historyTable(entries: readonly HistoryEntry[]): string {
  const columns = [{ title: 'time' }, { title: 'kind' }, { title: 'what happened' }] as const;
  return renderTable(
    columns,
    entries.map(({ atMs, kind, text }) => [formatTime(atMs), kind, oneLine(text)]),
  );
}

export function applicationTable(applications: readonly Application[]): string {
  const columns = [{ title: 'application' }, { title: 'runs' }, { title: 'newest release' }, { title: 'rollout' }] as const;
  return renderTable(
    columns,
    applications.map(({ application, placements, releases, rollout }) => {
      const versions = [...new Set(placements.map(({ version }) => version))];
      const runs = versions.map((version) => `${version} × ${placements.filter((each) => each.version === version).length}`);
      return [
        application,
        runs.join(', ') || '(nowhere)',
        releases[0]?.version ?? '',
        rollout ? `${rollout.version} ${colourOf(rollout.state)}` : '',
      ];
    }),
  );
}
