import type { MetricSpecs } from '../base/metrics.ts';

/** A machine, told by its Tubo; the node is a label of the target. Nodes of a local cluster share one machine and tell the same. */
export const NODE_METRICS = {
  cpuSeconds: {
    kind: 'counter',
    name: 'feitian_node_cpu_seconds_total',
    help: 'Time of all processors, by mode: user, nice, sys, idle, irq',
    labels: ['mode'],
  },
  cpus: { kind: 'gauge', name: 'feitian_node_cpus', help: 'Processors' },
  load: { kind: 'gauge', name: 'feitian_node_load1', help: 'Load average of one minute' },
  memoryBytes: { kind: 'gauge', name: 'feitian_node_memory_bytes', help: 'Memory; kind is available or total', labels: ['kind'] },
  diskBytes: {
    kind: 'gauge',
    name: 'feitian_node_disk_bytes',
    help: "The disk with Feitian's data; kind is free or total",
    labels: ['kind'],
  },
  networkBytes: {
    kind: 'counter',
    name: 'feitian_node_network_bytes_total',
    help: 'Bytes over all interfaces, loopback too; direction is in or out. Linux only',
    labels: ['direction'],
  },
} as const satisfies MetricSpecs;

/** Shennong itself. */
export const SHENNONG_METRICS = {
  nodeUp: {
    kind: 'gauge',
    name: 'feitian_node_up',
    help: '1 while the Tubo of a node is registered, 0 while a node of the cluster has none; gone once the node has left for good',
    labels: ['node', 'rack'],
  },
  targets: { kind: 'gauge', name: 'feitian_shennong_targets', help: 'Processes that Prometheus is told to scrape' },
  events: {
    kind: 'counter',
    name: 'feitian_shennong_events_total',
    help: 'Anomaly records written, by alert',
    labels: ['alert', 'status'],
  },
  workflows: {
    kind: 'gauge',
    name: 'feitian_temporal_workflows',
    help: 'Workflow executions that Temporal knows, by type and status: Running, Completed, Failed, Canceled, Terminated, TimedOut',
    labels: ['type', 'status'],
  },
} as const satisfies MetricSpecs;
