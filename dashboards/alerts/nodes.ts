import { NODE_METRICS, SHENNONG_METRICS } from '../../services/shennong/metrics.ts';
import { PROMETHEUS_METRICS } from '../foreign.ts';
import { part, series } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

const FREE = series(NODE_METRICS.diskBytes, { kind: 'free' });
const FREE_SHARE = part(FREE, series(NODE_METRICS.diskBytes, { kind: 'total' }), 'kind');

export const nodeAlerts: AlertGroup = {
  name: 'feitian-nodes',
  alerts: [
    {
      name: 'NodeDown',
      // The node's own labels: whoever tells of it may be started anew in the meantime.
      expression: `max by (node, rack) (${series(SHENNONG_METRICS.nodeUp)}) == 0`,
      // Its session has expired already; a restart of the agent alone is through by then.
      for: '15s',
      severity: 'critical',
      summary: 'Node {{ $labels.node }} in {{ $labels.rack }} is down',
      description:
        'The agent of {{ $labels.node }} is not registered in Nuwa. Running work is done again on other nodes; files with replicas there have fewer copies until it is back.',
    },
    {
      name: 'ProcessDown',
      expression: `${series(PROMETHEUS_METRICS.up)} == 0`,
      for: '1m',
      severity: 'warning',
      summary: '{{ with $labels.role }}{{ . }}{{ else }}{{ $labels.job }}{{ end }} at {{ $labels.instance }} does not answer',
      description:
        'It is registered, and Prometheus has not been able to read its metrics for a minute: it hangs, or the way to it is cut. A process that died is started again and is not the reason.',
    },
    {
      name: 'DiskFilling',
      // An hour of history draws the line, and half of one must be there; a disk with half of its room left may take a large write as it comes.
      expression: `predict_linear(${FREE}[1h], 4 * 3600) < 0 and ignoring (kind) ${FREE_SHARE} < 0.5 and ${FREE} offset 30m`,
      for: '10m',
      severity: 'warning',
      summary: 'The disk of {{ $labels.node }} will be full within four hours',
      description: 'At the pace of the last hour nothing is left of the disk with the data of Feitian on {{ $labels.node }} in four hours.',
    },
    {
      name: 'DiskAlmostFull',
      expression: `${FREE_SHARE} < 0.05`,
      for: '1m',
      severity: 'critical',
      summary: '{{ $value | humanizePercentage }} of the disk of {{ $labels.node }} is left',
      description:
        'Pangu places no new replicas on a full disk and shuffle outputs of jobs find no room there. When few nodes have room left, writes fail.',
    },
  ],
};
