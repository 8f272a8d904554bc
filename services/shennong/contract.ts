import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';

/** Where processes register what Prometheus is to scrape: `/services/metrics/<instance>`, address `http://host:port`, attribute `role`. */
export const METRICS_SERVICE = 'metrics';
/** Shennong itself; its attribute `http` is the base of its HTTP addresses. */
export const SHENNONG_SERVICE = 'shennong';

export const SHENNONG_CODES = [
  'BadAlerts', // what came is not what Alertmanager sends
] as const;
export type ShennongCode = (typeof SHENNONG_CODES)[number];

export class ShennongError extends FeitianError<ShennongCode> {
  static readonly codes = SHENNONG_CODES;
}

export const ANOMALY_STATES = ['firing', 'resolved'] as const;
export type AnomalyState = (typeof ANOMALY_STATES)[number];

/** Something was wrong with the cluster, from then to then: one firing of one alert. */
export const anomalySchema = z.object({
  /** Of the alert's labels. With `startsAtMs` it names the record. */
  fingerprint: z.string(),
  startsAtMs: z.number(),
  /** Once it is resolved. */
  endsAtMs: z.number().optional(),
  state: z.enum(ANOMALY_STATES),
  alert: z.string(),
  severity: z.string(),
  /** Of the alert's labels, if it is about one node. */
  node: z.string().optional(),
  /** One sentence for people. */
  summary: z.string(),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
});
export type Anomaly = z.infer<typeof anomalySchema>;

export const EVENTS_DEFAULT = 50;
export const EVENTS_MAX = 1_000;
export const eventsLimit = z.coerce.number().int().min(1).max(EVENTS_MAX);

export const shennongService = defineService(SHENNONG_SERVICE, {
  errors: ShennongError,
  methods: {
    /** Anomaly records, the newest first. */
    events: method({
      request: z.object({ limit: eventsLimit.default(EVENTS_DEFAULT) }),
      response: z.object({ events: z.array(anomalySchema) }),
      idempotent: true,
      access: { operation: 'read', on: wholeOf('shennong') },
    }),
  },
});

/** How Shennong asks the workflow engine; infra fills it in. */
export interface WorkflowCounter {
  /** Executions of a type by their status (`Running`, `Completed`, …); a status without any may be missing. */
  count(workflowType: string): Promise<ReadonlyMap<string, number>>;
}
