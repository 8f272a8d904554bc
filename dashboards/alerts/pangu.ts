import { PANGU_CHUNK_METRICS, PANGU_HEALING_METRICS, PANGU_MASTER_METRICS, PANGU_SCRUB_METRICS } from '../../services/pangu/metrics.ts';
import { grew, like, max, series, sum } from '../promql.ts';
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
    {
      name: 'HealingStopped',
      expression: `${sum(series(PANGU_HEALING_METRICS.controls))} < 1`,
      // A master that dies hands over within its session, which is seconds.
      for: '2m',
      severity: 'warning',
      summary: 'no master of Pangu controls',
      description:
        'Masters answer, and none of them is elected to look after what is lost. Files can be read and written; what is lacking stays lacking.',
    },
    {
      name: 'ChunksDamaged',
      expression: grew(PANGU_SCRUB_METRICS.scrubBad, {}, '1h'),
      severity: 'warning',
      summary: 'a disk of {{ $labels.node }} does not give back what was written',
      description:
        'Scrubbing found chunks whose bytes are wrong. They are dropped and made again from good replicas; a disk that does it more than once is failing.',
    },
  ],
};
