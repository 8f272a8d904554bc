import { PANGU_CHUNK_METRICS, PANGU_MASTER_METRICS } from '../../services/pangu/metrics.ts';
import { like, max, series, sum } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

export const panguAlerts: AlertGroup = {
  name: 'feitian-pangu',
  alerts: [
    {
      name: 'DiskOut',
      expression: `${sum(series(PANGU_CHUNK_METRICS.disks, { state: like('failed|missing|refused') }), 'node', 'state')} > 0`,
      for: '1m',
      severity: 'warning',
      summary: 'Disks of {{ $labels.node }} are {{ $labels.state }}: {{ $value }}',
      description: 'The chunk server goes on with its other disks. What lay there is copied from other nodes, unless it was the last copy.',
    },
    {
      name: 'ChunksUnderReplicated',
      expression: `${max(series(PANGU_MASTER_METRICS.underReplicated))} > 0`,
      // A node that restarts is back long before; one that is lost for good is not.
      for: '10m',
      severity: 'warning',
      summary: '{{ $value }} chunks have had too few replicas for ten minutes',
      description: 'Every one of them can be read. The loss of one more node may leave some of them without a replica.',
    },
    {
      name: 'ChunksUnavailable',
      expression: `${max(series(PANGU_MASTER_METRICS.unavailable))} > 0`,
      for: '1m',
      severity: 'critical',
      summary: '{{ $value }} chunks cannot be read',
      description:
        'No chunk server that is there holds a replica of them: reads of their files fail until one of the nodes with a replica is back.',
    },
  ],
};
