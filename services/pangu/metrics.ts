import type { MetricSpecs } from '../base/metrics.ts';

/** Chunk servers; each is one node's, which is a label of the target. */
export const PANGU_CHUNK_METRICS = {
  readBytes: { kind: 'counter', name: 'feitian_pangu_read_bytes_total', help: 'Bytes read from chunks here' },
  writtenBytes: { kind: 'counter', name: 'feitian_pangu_written_bytes_total', help: 'Bytes written to chunks here, each replica counted' },
  operations: {
    kind: 'counter',
    name: 'feitian_pangu_chunk_operations_total',
    help: 'What this chunk server was asked to do, by outcome',
    labels: ['operation', 'code'],
  },
  chunkFiles: { kind: 'gauge', name: 'feitian_pangu_chunk_files', help: 'Chunk files on each disk', labels: ['disk'] },
  diskBytes: {
    kind: 'gauge',
    name: 'feitian_pangu_disk_bytes',
    help: 'The disks below the chunks; kind is free or total',
    labels: ['disk', 'kind'],
  },
  disks: {
    kind: 'gauge',
    name: 'feitian_pangu_disks',
    help: 'Disks of this chunk server by state; those that failed, are missing or are refused want somebody to look',
    labels: ['state'],
  },
  diskQueue: { kind: 'gauge', name: 'feitian_pangu_disk_queue', help: 'Operations under way on each disk', labels: ['disk'] },
  randomChunks: { kind: 'gauge', name: 'feitian_pangu_random_chunks', help: 'Chunks of random files here' },
  randomBytes: {
    kind: 'gauge',
    name: 'feitian_pangu_random_bytes',
    help: 'Random files here; kind is chunks (what they take of the disk) or journal (what a start now would do again)',
    labels: ['kind'],
  },
  diskErrors: { kind: 'counter', name: 'feitian_pangu_disk_errors_total', help: 'Errors that each disk returned', labels: ['disk'] },
} as const satisfies MetricSpecs;

/** Masters. What they tell of the whole cluster each of them tells: take the maximum over instances, not the sum. */
export const PANGU_MASTER_METRICS = {
  operations: {
    kind: 'counter',
    name: 'feitian_pangu_operations_total',
    help: 'Operations on files and directories, by outcome',
    labels: ['operation', 'code'],
  },
  files: { kind: 'gauge', name: 'feitian_pangu_files', help: 'Files in the tree' },
  fileBytes: { kind: 'gauge', name: 'feitian_pangu_file_bytes', help: 'Bytes of files in the tree, each counted once' },
  chunks: { kind: 'gauge', name: 'feitian_pangu_chunks', help: 'Chunks by state', labels: ['state'] },
  underReplicated: {
    kind: 'gauge',
    name: 'feitian_pangu_chunks_under_replicated',
    help: 'Sealed chunks with fewer replicas on servers that are there than their file wants; scratch files with one replica do not count',
  },
  unavailable: {
    kind: 'gauge',
    name: 'feitian_pangu_chunks_unavailable',
    help: 'Sealed chunks of which no replica is on a server that is there; scratch files with one replica do not count',
  },
  replicas: { kind: 'gauge', name: 'feitian_pangu_replicas', help: 'Replicas on each node', labels: ['node'] },
  chunkServers: {
    kind: 'gauge',
    name: 'feitian_pangu_chunk_servers',
    help: 'Chunk servers that are there; state is active or draining',
    labels: ['state'],
  },
  replicasMoved: {
    kind: 'counter',
    name: 'feitian_pangu_replicas_moved_total',
    help: 'Replicas copied to another node by drain or balance',
  },
  badReplicas: { kind: 'counter', name: 'feitian_pangu_bad_replicas_total', help: 'Replicas dropped because their bytes were wrong' },
} as const satisfies MetricSpecs;

/** Healing: what the master that controls does, and what masters are told to copy by workflows. Counters add up over instances. */
export const PANGU_HEALING_METRICS = {
  controls: { kind: 'gauge', name: 'feitian_pangu_control', help: '1 on the master that controls' },
  nodesMissed: {
    kind: 'gauge',
    name: 'feitian_pangu_nodes_missed',
    help: 'Chunk servers that hold replicas and are not there; state is away or dead',
    labels: ['state'],
  },
  lackingBytes: {
    kind: 'gauge',
    name: 'feitian_pangu_lacking_bytes',
    help: 'Bytes to be copied until every chunk has the replicas that servers can hold',
  },
  replicasMade: { kind: 'counter', name: 'feitian_pangu_replicas_made_total', help: 'Replicas that were lacking and were copied' },
  repairedBytes: {
    kind: 'counter',
    name: 'feitian_pangu_repaired_bytes_total',
    help: 'Bytes of replicas that were lacking and were copied',
  },
  replicasTrimmed: { kind: 'counter', name: 'feitian_pangu_replicas_trimmed_total', help: 'Replicas that were too many and were removed' },
  orphansRemoved: { kind: 'counter', name: 'feitian_pangu_orphans_removed_total', help: 'Files on disks that no row named, removed' },
  replicasLost: {
    kind: 'counter',
    name: 'feitian_pangu_replicas_lost_total',
    help: 'Replicas whose files were not on their disks any more',
  },
} as const satisfies MetricSpecs;

/** Scrubbing, by each chunk server. */
export const PANGU_SCRUB_METRICS = {
  scrubbedBytes: {
    kind: 'counter',
    name: 'feitian_pangu_scrubbed_bytes_total',
    help: 'Bytes read back from disk to see whether they are still right',
  },
  scrubBad: { kind: 'counter', name: 'feitian_pangu_scrub_bad_total', help: 'Chunks that scrubbing found damaged' },
} as const satisfies MetricSpecs;
