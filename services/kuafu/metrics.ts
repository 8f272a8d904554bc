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
} as const satisfies MetricSpecs;
