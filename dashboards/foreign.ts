import type { Metric } from './promql.ts';

/**
 * Metrics that others declare and we draw: the names are theirs, so they stand here as they are, in one place. What Feitian declares itself comes
 * from the `metrics.ts` of its rooms.
 */
type Foreign = Readonly<Record<string, Metric>>;

/** Prometheus about its own work. */
export const PROMETHEUS_METRICS = {
  up: { kind: 'gauge', name: 'up' },
  alerts: { kind: 'gauge', name: 'ALERTS', labels: ['alertname', 'alertstate', 'severity'] },
} as const satisfies Foreign;

/** What prom-client tells of every Node process. */
export const PROCESS_METRICS = {
  cpuSeconds: { kind: 'counter', name: 'process_cpu_seconds_total' },
  memoryBytes: { kind: 'gauge', name: 'process_resident_memory_bytes' },
  eventLoopLagSeconds: { kind: 'gauge', name: 'nodejs_eventloop_lag_p99_seconds' },
} as const satisfies Foreign;

/** The Temporal server, from its own endpoint. */
export const TEMPORAL_SERVER_METRICS = {
  requests: { kind: 'counter', name: 'service_requests', labels: ['operation', 'service_name', 'namespace'] },
  errors: { kind: 'counter', name: 'service_error_with_type', labels: ['operation', 'service_name', 'error_type'] },
  latencySeconds: { kind: 'histogram', name: 'service_latency', labels: ['operation', 'service_name'] },
  databaseRequests: { kind: 'counter', name: 'persistence_requests', labels: ['operation', 'service_name'] },
  databaseLatencySeconds: { kind: 'histogram', name: 'persistence_latency', labels: ['operation', 'service_name'] },
  queueLatencySeconds: { kind: 'histogram', name: 'task_latency_queue', labels: ['operation', 'service_name'] },
} as const satisfies Foreign;

/** The Temporal SDK, from the processes that run workflows or activities. */
export const TEMPORAL_SDK_METRICS = {
  workflowTaskWaitSeconds: {
    kind: 'histogram',
    name: 'temporal_workflow_task_schedule_to_start_latency',
    labels: ['task_queue', 'namespace'],
  },
  workflowTaskSeconds: {
    kind: 'histogram',
    name: 'temporal_workflow_task_execution_latency',
    labels: ['task_queue', 'workflow_type'],
  },
  workflowTasksFailed: { kind: 'counter', name: 'temporal_workflow_task_execution_failed', labels: ['workflow_type', 'failure_reason'] },
  workflowSeconds: { kind: 'histogram', name: 'temporal_workflow_endtoend_latency', labels: ['workflow_type'] },
  activityWaitSeconds: { kind: 'histogram', name: 'temporal_activity_schedule_to_start_latency', labels: ['task_queue'] },
  activitySeconds: { kind: 'histogram', name: 'temporal_activity_execution_latency', labels: ['activity_type', 'task_queue'] },
  activitiesFailed: { kind: 'counter', name: 'temporal_activity_execution_failed', labels: ['activity_type'] },
  slotsUsed: { kind: 'gauge', name: 'temporal_worker_task_slots_used', labels: ['worker_type', 'task_queue'] },
  slotsAvailable: { kind: 'gauge', name: 'temporal_worker_task_slots_available', labels: ['worker_type', 'task_queue'] },
  cached: { kind: 'gauge', name: 'temporal_sticky_cache_size', labels: ['task_queue'] },
  requests: { kind: 'counter', name: 'temporal_request', labels: ['operation'] },
  requestSeconds: { kind: 'histogram', name: 'temporal_request_latency', labels: ['operation'] },
} as const satisfies Foreign;
