import { createMetrics } from '../../base/metrics.ts';
import { PANGU_HEALING_METRICS } from '../metrics.ts';

/** Counted by whichever master does it. */
export const healingMetrics = createMetrics(PANGU_HEALING_METRICS);
