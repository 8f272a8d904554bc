import type { MetricSpecs } from '../base/metrics.ts';

/** `side` is `client` or `server`; `code` is `OK` or the error's code. */
export const KUAFU_METRICS = {
  calls: {
    kind: 'counter',
    name: 'feitian_kuafu_calls_total',
    help: 'Calls that ended, by outcome',
    labels: ['side', 'service', 'method', 'code'],
  },
  callSeconds: {
    kind: 'histogram',
    name: 'feitian_kuafu_call_duration_seconds',
    help: 'From the request to the reply; at the client with its retries',
    labels: ['side', 'service', 'method'],
  },
  callsInFlight: { kind: 'gauge', name: 'feitian_kuafu_calls_in_flight', help: 'Calls under way at the servers of this process' },
  connections: { kind: 'gauge', name: 'feitian_kuafu_connections', help: 'Open connections', labels: ['side'] },
  bytes: {
    kind: 'counter',
    name: 'feitian_kuafu_bytes_total',
    help: 'Bytes of frames that went over connections',
    labels: ['direction'],
  },
  breakersOpened: {
    kind: 'counter',
    name: 'feitian_kuafu_breakers_opened_total',
    help: 'Times a client left an instance alone because its tries failed',
  },
  hedges: {
    kind: 'counter',
    name: 'feitian_kuafu_hedges_total',
    help: 'Second tries of late calls: won (its answer counted), lost, withheld (too many already)',
    labels: ['outcome'],
  },
} as const satisfies MetricSpecs;
