import { DAYU_MASTER_METRICS } from '../../services/dayu/metrics.ts';
import { max, series } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

/** Longer than a careful rollout over a few waves bakes; one that needs a person's word is worth a call too. */
const STUCK_SECONDS = 1800;

export const dayuAlerts: AlertGroup = {
  name: 'feitian-dayu',
  alerts: [
    {
      name: 'RolloutStuck',
      expression: `${max(series(DAYU_MASTER_METRICS.rolloutSeconds), 'application', 'version', 'workflow_id')} > ${STUCK_SECONDS}`,
      severity: 'warning',
      summary: 'The rollout of {{ $labels.application }} {{ $labels.version }} has been under way for {{ $value | humanizeDuration }}',
      description:
        'The workflow {{ $labels.workflow_id }} has not ended: it is paused, waits for approval, or a wave does not become healthy. Until it ends, two versions serve and no other rollout of {{ $labels.application }} can begin.',
    },
  ],
};
