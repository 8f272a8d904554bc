import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { NODE_METRICS, SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { board, choice, type Settings } from './board.ts';
import { PROCESS_METRICS } from './foreign.ts';
import { graph, stat } from './panels.ts';
import { like, max, not, part, rate, series, sum } from './promql.ts';

const HERE = { node: like('$node') };
/** Processes that belong to no node are those of the whole cluster: masters, workers, Nuwa. */
const PROCESS = '{{role}} {{node}}';

/** The machines: what they are and have left, and what each process takes of it. */
export function nodesDashboard(settings: Settings): Dashboard {
  const free = (metric: typeof NODE_METRICS.diskBytes | typeof NODE_METRICS.memoryBytes, kind: string) =>
    `1 - ${part(series(metric, { ...HERE, kind }), series(metric, { ...HERE, kind: 'total' }), 'kind')}`;
  return board('nodes', 'Nodes', 'The machines: what they have, what is left of it, and who takes it.', settings)
    .withVariable(choice('node', 'node', SHENNONG_METRICS.nodeUp))
    .withPanel(
      stat({
        title: 'Up',
        description: '1 while the agent of the node is registered. 0: its processes are dead, or nobody can reach it.',
        unit: 'short',
        limits: { orange: 1, red: 0.5 },
        words: { 0: 'down', 1: 'up' },
        expression: max(series(SHENNONG_METRICS.nodeUp, HERE), 'node'),
      })
        .span(24)
        .displayName(`\${__field.labels.node}`),
    )
    .withPanel(
      graph({
        title: 'Processors used',
        description: 'The share of all processors that is busy. Nodes of a local cluster share one machine and show the same.',
        unit: 'percentunit',
        limits: { red: 0.95 },
        queries: [
          {
            expression: `1 - ${sum(rate(NODE_METRICS.cpuSeconds, { ...HERE, mode: 'idle' }), 'node')} / ${sum(rate(NODE_METRICS.cpuSeconds, HERE), 'node')}`,
            legend: '{{node}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Load for each processor',
        description: 'Processes that run or want to, for each processor, over a minute. Above 1 some wait; above 3 everything is slow.',
        unit: 'short',
        limits: { orange: 1.5, red: 3 },
        queries: [{ expression: `${series(NODE_METRICS.load, HERE)} / ${series(NODE_METRICS.cpus, HERE)}`, legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Memory used',
        description: 'The share of memory that is taken and could not be given up. Near 100 % the system kills processes.',
        unit: 'percentunit',
        limits: { orange: 0.85, red: 0.95 },
        queries: [{ expression: free(NODE_METRICS.memoryBytes, 'available'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Disk used',
        description: 'The share of the disk with the data of Feitian that is taken. A node whose disk is full gets no new replicas.',
        unit: 'percentunit',
        limits: { orange: 0.8, red: 0.9 },
        queries: [{ expression: free(NODE_METRICS.diskBytes, 'free'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Network',
        description: 'Bytes in a second over all interfaces, loopback too. Linux only.',
        unit: 'Bps',
        queries: [{ expression: sum(rate(NODE_METRICS.networkBytes, HERE), 'node', 'direction'), legend: '{{node}} {{direction}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Processor time of processes',
        description: 'Processors that each process keeps busy. A Node process that stays at 1 is at its limit.',
        unit: 'short',
        limits: { red: 1 },
        queries: [{ expression: sum(rate(PROCESS_METRICS.cpuSeconds, { ...HERE, role: not('') }), 'role', 'node'), legend: PROCESS }],
      }),
    )
    .withPanel(
      graph({
        title: 'Memory of processes',
        description: 'Memory that each process holds. One that only ever rises leaks.',
        unit: 'bytes',
        queries: [{ expression: sum(series(PROCESS_METRICS.memoryBytes, { ...HERE, role: not('') }), 'role', 'node'), legend: PROCESS }],
      }),
    )
    .withPanel(
      graph({
        title: 'Event loop lag, 99th percentile',
        description:
          'How late a process turns to what is due; looked at every 0.05 s, which is what an idle one shows. Above 0.1 s it computes too much at once, or the machine is overloaded.',
        unit: 's',
        limits: { orange: 0.1, red: 1 },
        queries: [{ expression: max(series(PROCESS_METRICS.eventLoopLagSeconds, HERE), 'role', 'node'), legend: PROCESS }],
      }),
    )
    .build();
}
