import type { MetricSpecs } from '../base/metrics.ts';

/** `side` is `client` or `server`; `code` is `OK` or the error's code. */
export const KUAFU_METRICS = {
  calls: {
    kind: 'counter',
    name: 'feitian_kuafu_calls_total',
    help: 'Calls that ended, by outcome',
    labels: ['side', 'service', 'method', 'code'],
  },
  refused: {
    kind: 'counter',
    name: 'feitian_kuafu_refused_total',
    help: 'Calls that a server refused before they reached a handler',
    labels: ['service', 'method', 'code'],
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
  methodBytes: {
    kind: 'counter',
    name: 'feitian_kuafu_method_bytes_total',
    help: 'Bytes of bodies and attachments, by method',
    labels: ['side', 'service', 'method', 'direction'],
  },
  streamMessages: {
    kind: 'counter',
    name: 'feitian_kuafu_stream_messages_total',
    help: 'Messages of streams, by method',
    labels: ['side', 'service', 'method', 'direction'],
  },
  unreadBytes: { kind: 'gauge', name: 'feitian_kuafu_unread_bytes', help: 'Messages of streams that came and wait to be read' },
  creditWaiting: {
    kind: 'gauge',
    name: 'feitian_kuafu_credit_waiting',
    help: 'Sends of streams that wait until their reader gives credit',
    labels: ['side', 'service', 'method'],
  },
  creditWaits: {
    kind: 'counter',
    name: 'feitian_kuafu_credit_waits_total',
    help: 'Sends of streams that had to wait for credit',
    labels: ['side', 'service', 'method'],
  },
  creditWaitSeconds: {
    kind: 'counter',
    name: 'feitian_kuafu_credit_wait_seconds_total',
    help: 'For how long sends of streams waited for credit',
    labels: ['side', 'service', 'method'],
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
