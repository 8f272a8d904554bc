/** When each alert fires and when it is silent, as `promtool test rules` plays it: series with a value every 15 s, and what fires at a moment. */
export interface AlertCase {
  /** A sentence that begins with the alert. */
  title: string;
  alert: string;
  /** Name and labels, and values in promtool's notation: `1x8` is 1 and eight times the same, `0+1x8` counts up, `_x8` is nothing. */
  series: Record<string, string>;
  at: string;
  /** The labels of what fires, without `alertname` and `severity`; empty: silence. */
  fires: Record<string, string>[];
}

const NODE = 'feitian_node_up{node="node-2", rack="rack-b"}';
const jobs = (outcome: string) => `feitian_fuxi_jobs_total{outcome="${outcome}", role="worker", instance="w:1"}`;
const disk = (kind: string) => `feitian_node_disk_bytes{node="node-1", kind="${kind}"}`;
const ROLLOUT = 'feitian_dayu_rollout_age_seconds{application="web", version="2.0.0", workflow_id="rollout-web", instance="m:1"}';

export const ALERT_CASES: readonly AlertCase[] = [
  {
    title: 'fires when a node stays unregistered',
    alert: 'NodeDown',
    series: { [NODE]: '1x4 0x8' },
    at: '2m',
    fires: [{ node: 'node-2', rack: 'rack-b' }],
  },
  { title: 'is silent while a node restarts', alert: 'NodeDown', series: { [NODE]: '1x4 0 1x8' }, at: '1m15s', fires: [] },
  { title: 'ends when a node has left for good', alert: 'NodeDown', series: { [NODE]: '0x8 stale' }, at: '3m', fires: [] },
  {
    title: 'fires when a process does not answer for a minute',
    alert: 'ProcessDown',
    series: { 'up{job="feitian", role="worker", instance="w:1"}': '1x4 0x12' },
    at: '3m',
    fires: [{ job: 'feitian', role: 'worker', instance: 'w:1' }],
  },
  {
    title: 'is silent about a process that is no longer registered',
    alert: 'ProcessDown',
    series: { 'up{job="feitian", role="worker", instance="w:1"}': '1x4 0x2 stale' },
    at: '4m',
    fires: [],
  },
  {
    title: 'fires when the line of an hour ends at an empty disk',
    alert: 'DiskFilling',
    // 40 GB, and 2.4 MB less each second: after an hour and a half 27 GB, and in four hours more 35 GB would be gone.
    series: { [disk('free')]: '40e9-36e6x400', [disk('total')]: '100e9x400' },
    at: '90m',
    fires: [{ node: 'node-1', kind: 'free' }],
  },
  {
    title: 'is silent about a disk that fills quickly and has room for long',
    alert: 'DiskFilling',
    series: { [disk('free')]: '90e9-75e6x400', [disk('total')]: '100e9x400' },
    at: '90m',
    fires: [],
  },
  {
    title: 'is silent about a disk that is fuller than half and stays so',
    alert: 'DiskFilling',
    series: { [disk('free')]: '40e9x400', [disk('total')]: '100e9x400' },
    at: '90m',
    fires: [],
  },
  {
    title: 'fires below a twentieth',
    alert: 'DiskAlmostFull',
    series: { [disk('free')]: '4e9x20', [disk('total')]: '100e9x20' },
    at: '3m',
    fires: [{ node: 'node-1' }],
  },
  {
    title: 'is silent above a twentieth',
    alert: 'DiskAlmostFull',
    series: { [disk('free')]: '6e9x20', [disk('total')]: '100e9x20' },
    at: '3m',
    fires: [],
  },
  {
    title: 'fires when a disk of a chunk server has been out for a minute, and says which node to go to',
    alert: 'DiskOut',
    series: {
      'feitian_pangu_disks{node="node-1", state="failed", instance="c:1"}': '0x4 1x10',
      'feitian_pangu_disks{node="node-1", state="healthy", instance="c:1"}': '2x4 1x10',
      'feitian_pangu_disks{node="node-2", state="missing", instance="c:2"}': '0x14',
    },
    at: '3m',
    fires: [{ node: 'node-1', state: 'failed' }],
  },
  {
    title: 'is silent while all disks are used',
    alert: 'DiskOut',
    series: { 'feitian_pangu_disks{node="node-1", state="retiring", instance="c:1"}': '1x14' },
    at: '3m',
    fires: [],
  },
  {
    title: 'fires once, though two masters tell it, when chunks lack copies for ten minutes',
    alert: 'ChunksUnderReplicated',
    series: {
      'feitian_pangu_chunks_under_replicated{instance="m:1"}': '3x60',
      'feitian_pangu_chunks_under_replicated{instance="m:2"}': '3x60',
    },
    at: '12m',
    fires: [{}],
  },
  {
    title: 'is silent when the copies are made within ten minutes',
    alert: 'ChunksUnderReplicated',
    series: { 'feitian_pangu_chunks_under_replicated{instance="m:1"}': '3x30 0x30' },
    at: '12m',
    fires: [],
  },
  {
    title: 'fires when chunks cannot be read for a minute',
    alert: 'ChunksUnavailable',
    series: { 'feitian_pangu_chunks_unavailable{instance="m:1"}': '0x4 2x10' },
    at: '3m',
    fires: [{}],
  },
  {
    title: 'is silent while all chunks can be read',
    alert: 'ChunksUnavailable',
    series: { 'feitian_pangu_chunks_unavailable{instance="m:1"}': '0x20' },
    at: '3m',
    fires: [],
  },
  {
    title: 'fires at the first failure of all, which has no zero before it',
    alert: 'JobFailing',
    series: { [jobs('failed')]: '_x40 1x20', [jobs('done')]: '0+1x60' },
    at: '11m',
    fires: [{}],
  },
  {
    title: 'fires when one more fails',
    alert: 'JobFailing',
    series: { [jobs('failed')]: '7x60 8x8' },
    at: '16m',
    fires: [{}],
  },
  { title: 'ends ten minutes later', alert: 'JobFailing', series: { [jobs('failed')]: '_x4 1x80' }, at: '15m', fires: [] },
  {
    title: 'is silent about jobs that are done or cancelled',
    alert: 'JobFailing',
    series: { [jobs('done')]: '0+1x60', [jobs('cancelled')]: '0+1x60' },
    at: '12m',
    fires: [],
  },
  {
    title: 'fires after half an hour and names the workflow',
    alert: 'RolloutStuck',
    series: { [ROLLOUT]: '0+15x160' },
    at: '31m',
    fires: [{ application: 'web', version: '2.0.0', workflow_id: 'rollout-web' }],
  },
  { title: 'is silent before', alert: 'RolloutStuck', series: { [ROLLOUT]: '0+15x160' }, at: '29m', fires: [] },
  { title: 'ends with the rollout', alert: 'RolloutStuck', series: { [ROLLOUT]: '0+15x130 stale' }, at: '40m', fires: [] },
  {
    title: 'fires when no server leads',
    alert: 'NuwaWithoutLeader',
    series: { 'feitian_nuwa_leader{instance="n:1"}': '1x4 0x8', 'feitian_nuwa_leader{instance="n:2"}': '0x12' },
    at: '2m30s',
    fires: [{}],
  },
  {
    title: 'fires when nobody tells of a leader at all',
    alert: 'NuwaWithoutLeader',
    series: { 'up{job="feitian", role="worker", instance="w:1"}': '1x12' },
    at: '2m30s',
    fires: [{}],
  },
  {
    title: 'is silent when another takes over',
    alert: 'NuwaWithoutLeader',
    series: { 'feitian_nuwa_leader{instance="n:1"}': '1x4 0x8', 'feitian_nuwa_leader{instance="n:2"}': '0x4 1x8' },
    at: '2m30s',
    fires: [],
  },
  {
    title: 'fires once, by the name of the server, though an old leader tells it too',
    alert: 'NuwaServerDown',
    series: {
      'feitian_nuwa_peer_active{peer="nuwa-2", instance="n:1"}': '1x4 0x8',
      'feitian_nuwa_peer_active{peer="nuwa-3", instance="n:1"}': '1x12',
    },
    at: '2m30s',
    fires: [{ peer: 'nuwa-2' }],
  },
  {
    title: 'is silent while a server restarts',
    alert: 'NuwaServerDown',
    series: { 'feitian_nuwa_peer_active{peer="nuwa-2", instance="n:1"}': '1x4 0x2 1x6' },
    at: '1m45s',
    fires: [],
  },
  {
    title: 'fires at once',
    alert: 'NuwaUnwritable',
    series: { 'feitian_nuwa_writable{instance="n:1"}': '1x4 0x4', 'feitian_nuwa_writable{instance="n:2"}': '1x8' },
    at: '1m15s',
    fires: [{ instance: 'n:1' }],
  },
  {
    title: 'is silent while all can write',
    alert: 'NuwaUnwritable',
    series: { 'feitian_nuwa_writable{instance="n:1"}': '1x8' },
    at: '1m15s',
    fires: [],
  },
  {
    title: 'fires when the third snapshot in a row failed',
    alert: 'NuwaSnapshotsFail',
    series: {
      'feitian_nuwa_snapshot_failures{instance="n:1"}': '0x4 1x4 2x4 3x4',
      'feitian_nuwa_snapshot_failures{instance="n:2"}': '0x16',
    },
    at: '4m',
    fires: [{ instance: 'n:1' }],
  },
  {
    title: 'is silent about one that failed, and after one that was made',
    alert: 'NuwaSnapshotsFail',
    series: {
      'feitian_nuwa_snapshot_failures{instance="n:1"}': '0x4 1x4 2x4 3x4 0x4',
      'feitian_nuwa_snapshot_failures{instance="n:2"}': '0x4 1x16',
    },
    at: '5m15s',
    fires: [],
  },
  {
    title: 'fires for a member that answers and falls behind',
    alert: 'NuwaFollowerLags',
    series: {
      'feitian_nuwa_peer_lag_entries{peer="nuwa-3", instance="n:1"}': '10+9000x16',
      'feitian_nuwa_peer_active{peer="nuwa-3", instance="n:1"}': '1x16',
    },
    at: '4m',
    fires: [{ peer: 'nuwa-3' }],
  },
  {
    title: 'is silent about one that is down, which is another alert, and about one that catches up',
    alert: 'NuwaFollowerLags',
    series: {
      'feitian_nuwa_peer_lag_entries{peer="nuwa-2", instance="n:1"}': '20000+9000x16',
      'feitian_nuwa_peer_active{peer="nuwa-2", instance="n:1"}': '0x16',
      'feitian_nuwa_peer_lag_entries{peer="nuwa-3", instance="n:1"}': '20000-5000x4 0x12',
      'feitian_nuwa_peer_active{peer="nuwa-3", instance="n:1"}': '1x16',
    },
    at: '4m',
    fires: [],
  },
  {
    title: 'fires for the process that does not hear from Nuwa',
    alert: 'RevocationsStale',
    series: {
      'feitian_zhongkui_revocations_age_seconds{role="pangu-master", instance="m:1"}': '5+15x12',
      'feitian_zhongkui_revocations_age_seconds{role="worker", instance="w:1"}': '5x12',
    },
    at: '1m30s',
    fires: [{ role: 'pangu-master', instance: 'm:1' }],
  },
  {
    title: 'is silent while Nuwa elects',
    alert: 'RevocationsStale',
    series: { 'feitian_zhongkui_revocations_age_seconds{role="worker", instance="w:1"}': '5 20 35 4x8' },
    at: '45s',
    fires: [],
  },
  {
    title: 'fires two days before the end',
    alert: 'TokenExpiring',
    series: { 'feitian_zhongkui_token_remaining_seconds{role="worker", instance="w:1"}': '172860-15x20' },
    at: '4m',
    fires: [{ role: 'worker', instance: 'w:1' }],
  },
  {
    title: 'is silent about one that is replaced in time',
    alert: 'TokenExpiring',
    series: { 'feitian_zhongkui_token_remaining_seconds{role="worker", instance="w:1"}': '1296000x10 2592000x10' },
    at: '4m',
    fires: [],
  },
  {
    title: 'fires hours before the end',
    alert: 'CertificateExpiring',
    series: { 'feitian_zhongkui_certificate_remaining_seconds{role="tubo", node="node-1", instance="t:1"}': '14460-15x20' },
    at: '4m',
    fires: [{ role: 'tubo', node: 'node-1', instance: 't:1' }],
  },
  {
    title: 'is silent about one that is renewed when a third is left',
    alert: 'CertificateExpiring',
    series: { 'feitian_zhongkui_certificate_remaining_seconds{role="tubo", node="node-1", instance="t:1"}': '28800x10 86400x10' },
    at: '4m',
    fires: [],
  },
  {
    title: 'fires when no master controls',
    alert: 'HealingStopped',
    series: { 'feitian_pangu_control{instance="m:1"}': '0x20', 'feitian_pangu_control{instance="m:2"}': '1x4 0x16' },
    at: '4m',
    fires: [{}],
  },
  {
    title: 'is silent while control goes from one master to another',
    alert: 'HealingStopped',
    series: { 'feitian_pangu_control{instance="m:1"}': '1x4 0x16', 'feitian_pangu_control{instance="m:2"}': '0x6 1x14' },
    at: '4m',
    fires: [],
  },
  {
    title: 'fires when scrubbing found something',
    alert: 'ChunksDamaged',
    series: { 'feitian_pangu_scrub_bad_total{node="node-3", instance="c:3"}': '0x8 1x20' },
    at: '5m',
    fires: [{ node: 'node-3', instance: 'c:3' }],
  },
  {
    title: 'is silent about what was found before',
    alert: 'ChunksDamaged',
    series: { 'feitian_pangu_scrub_bad_total{node="node-3", instance="c:3"}': '3x400' },
    at: '90m',
    fires: [],
  },
];
