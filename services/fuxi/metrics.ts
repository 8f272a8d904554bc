import type { MetricSpecs } from '../base/metrics.ts';

export const FUXI_MASTER_METRICS = {
  containers: { kind: 'gauge', name: 'feitian_fuxi_containers', help: 'Containers granted now', labels: ['node'] },
  cpu: { kind: 'gauge', name: 'feitian_fuxi_node_cpu', help: 'Processors of a node; kind is used or total', labels: ['node', 'kind'] },
  memoryBytes: {
    kind: 'gauge',
    name: 'feitian_fuxi_node_memory_bytes',
    help: 'Memory of a node for containers; kind is used or total',
    labels: ['node', 'kind'],
  },
  requestsWaiting: { kind: 'gauge', name: 'feitian_fuxi_requests_waiting', help: 'TaskMasters that want more containers than they hold' },
  containersWaiting: { kind: 'gauge', name: 'feitian_fuxi_containers_waiting', help: 'Containers wanted beyond those held' },
  grants: { kind: 'counter', name: 'feitian_fuxi_grants_total', help: 'Containers granted' },
  containersLost: { kind: 'counter', name: 'feitian_fuxi_containers_lost_total', help: 'Containers whose node went away' },
} as const satisfies MetricSpecs;

/** Tubo; each is one node's, which is a label of the target. */
export const TUBO_METRICS = {
  attempts: {
    kind: 'counter',
    name: 'feitian_fuxi_attempts_total',
    help: 'Attempts that ended; outcome is done, failed or killed',
    labels: ['outcome'],
  },
  attemptsRunning: { kind: 'gauge', name: 'feitian_fuxi_attempts_running', help: 'Attempts that run here now' },
  attemptSeconds: {
    kind: 'histogram',
    name: 'feitian_fuxi_attempt_duration_seconds',
    help: 'How long attempts took that were done',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
  },
  bytes: {
    kind: 'counter',
    name: 'feitian_fuxi_attempt_bytes_total',
    help: 'Bytes that done attempts read and wrote; direction is in or out',
    labels: ['direction'],
  },
} as const satisfies MetricSpecs;

/** Counted by the workflows themselves, through Temporal's meter: once, and not again when a history is replayed. */
export const JOB_METRICS = {
  jobs: {
    kind: 'counter',
    name: 'feitian_fuxi_jobs_total',
    help: 'Jobs that ended; outcome is done, failed or cancelled',
    labels: ['outcome'],
  },
  tasks: {
    kind: 'counter',
    name: 'feitian_fuxi_tasks_total',
    help: 'Tasks that ended, or shards of them; outcome is done or failed',
    labels: ['outcome'],
  },
  instances: { kind: 'counter', name: 'feitian_fuxi_instances_total', help: 'Instances that are done' },
  retries: { kind: 'counter', name: 'feitian_fuxi_retries_total', help: 'Attempts begun because an earlier one failed or was lost' },
  backups: { kind: 'counter', name: 'feitian_fuxi_backups_total', help: 'Backup attempts begun for stragglers' },
} as const satisfies MetricSpecs;
