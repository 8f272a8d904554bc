import type { MetricSpecs } from '../base/metrics.ts';

/** `outcome` is `admitted` or the code of the refusal. What Kuafu refused for it, by method and code, is among Kuafu's own. */
export const ZHONGKUI_METRICS = {
  admissions: {
    kind: 'counter',
    name: 'feitian_zhongkui_admissions_total',
    help: 'Credentials that were shown, by what came of them',
    labels: ['outcome'],
  },
  refusals: {
    kind: 'counter',
    name: 'feitian_zhongkui_refusals_total',
    help: 'Calls that were refused for who made them, by service and by whether their caller is known',
    labels: ['service', 'code'],
  },
  revocations: { kind: 'gauge', name: 'feitian_zhongkui_revocations', help: 'Revocations that this process knows of' },
  revocationsAgeSeconds: {
    kind: 'gauge',
    name: 'feitian_zhongkui_revocations_age_seconds',
    help: 'Since when they may not be all',
  },
  tokenSeconds: { kind: 'gauge', name: 'feitian_zhongkui_token_remaining_seconds', help: "Until the end of this process's own token" },
  certificateSeconds: {
    kind: 'gauge',
    name: 'feitian_zhongkui_certificate_remaining_seconds',
    help: "Until the end of the certificate of this process's machine",
  },
} as const satisfies MetricSpecs;
