import { JOB_METRICS } from '../../services/fuxi/metrics.ts';
import { grew, sum } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

export const fuxiAlerts: AlertGroup = {
  name: 'feitian-fuxi',
  alerts: [
    {
      name: 'JobFailing',
      expression: `${sum(grew(JOB_METRICS.jobs, { outcome: 'failed' }, '10m'))} > 0`,
      severity: 'warning',
      summary: 'Jobs failed within the last ten minutes',
      description:
        'A job failed for good: its document was refused, its program failed every time it was tried, or what it reads is not there. It has left no output. The Web UI shows the reason.',
    },
  ],
};
