import type { MetricSpecs } from '../base/metrics.ts';

export const NUWA_METRICS = {
  leader: { kind: 'gauge', name: 'feitian_nuwa_leader', help: '1 while this server takes changes, 0 while it does not' },
  sessions: { kind: 'gauge', name: 'feitian_nuwa_sessions', help: 'Live sessions' },
  sessionsExpired: { kind: 'counter', name: 'feitian_nuwa_sessions_expired_total', help: 'Sessions whose owner fell silent' },
  watches: { kind: 'gauge', name: 'feitian_nuwa_watches', help: 'Polls that wait for a change' },
  nodes: { kind: 'gauge', name: 'feitian_nuwa_nodes', help: 'Nodes of the tree' },
  revision: { kind: 'gauge', name: 'feitian_nuwa_revision', help: 'Changes of the tree so far' },
  commits: { kind: 'counter', name: 'feitian_nuwa_commits_total', help: 'Commands that are on disk' },
  commitSeconds: {
    kind: 'histogram',
    name: 'feitian_nuwa_commit_duration_seconds',
    help: 'From a command to its being on disk',
  },
  logBytes: { kind: 'gauge', name: 'feitian_nuwa_log_bytes', help: 'Bytes of the write-ahead log since the last snapshot' },
} as const satisfies MetricSpecs;
