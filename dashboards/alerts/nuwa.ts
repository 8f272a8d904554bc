import { NUWA_METRICS } from '../../services/nuwa/metrics.ts';
import { orZero, series, sum } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

export const nuwaAlerts: AlertGroup = {
  name: 'feitian-nuwa',
  alerts: [
    {
      name: 'NuwaWithoutLeader',
      // With nobody to ask there is no series, which is as bad as a zero.
      expression: `(${orZero(sum(series(NUWA_METRICS.leader)))}) == 0`,
      for: '30s',
      severity: 'critical',
      summary: 'No Nuwa server takes changes',
      description:
        'Processes that run go on with what they know. Nobody can register, be found anew or take a lock, and after a while sessions expire when Nuwa is back.',
    },
  ],
};
