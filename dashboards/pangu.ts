import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { PANGU_CHUNK_METRICS, PANGU_HEALING_METRICS, PANGU_MASTER_METRICS, PANGU_SCRUB_METRICS } from '../services/pangu/metrics.ts';
import { SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { board, choice, type Settings } from './board.ts';
import { graph, stat } from './panels.ts';
import { like, max, not, part, rate, series, sum } from './promql.ts';

const HERE = { node: like('$node') };
const CHUNK = PANGU_CHUNK_METRICS;
const MASTER = PANGU_MASTER_METRICS;
const HEALING = PANGU_HEALING_METRICS;
const SCRUB = PANGU_SCRUB_METRICS;

/** The file system: whether every chunk has its copies, what is read and written, and where the bytes lie. */
export function panguDashboard(settings: Settings): Dashboard {
  return board('pangu', 'Pangu', 'The file system: copies, traffic, and where the bytes lie.', settings)
    .withVariable(choice('node', 'node', SHENNONG_METRICS.nodeUp))
    .withPanel(stat({ title: 'Files', description: 'Files in the tree.', unit: 'short', expression: max(series(MASTER.files)) }))
    .withPanel(
      stat({
        title: 'Bytes of files',
        description: 'Bytes of files in the tree, each counted once.',
        unit: 'bytes',
        expression: max(series(MASTER.fileBytes)),
      }),
    )
    .withPanel(
      stat({
        title: 'Chunks short of copies',
        description: 'Sealed chunks with fewer replicas than their file wants. They are copied by and by; staying above 0 is the bad sign.',
        unit: 'short',
        limits: { orange: 1, red: 100 },
        expression: max(series(MASTER.underReplicated)),
      }),
    )
    .withPanel(
      stat({
        title: 'Chunks without a replica',
        description: 'Sealed chunks that nobody can read now.',
        unit: 'short',
        limits: { red: 1 },
        expression: max(series(MASTER.unavailable)),
      }),
    )
    .withPanel(
      stat({
        title: 'Chunk servers',
        description: 'Chunk servers that take new replicas. With fewer than three a file cannot have three copies.',
        unit: 'short',
        limits: { orange: 3, red: 1 },
        expression: max(series(MASTER.chunkServers, { state: 'active' })),
      }),
    )
    .withPanel(
      stat({
        title: 'Draining',
        description: 'Chunk servers whose replicas are being copied elsewhere, because their node is to leave.',
        unit: 'short',
        expression: max(series(MASTER.chunkServers, { state: 'draining' })),
      }),
    )
    .withPanel(
      graph({
        title: 'Read',
        description: 'Bytes read from chunks in a second, by node.',
        unit: 'Bps',
        queries: [{ expression: sum(rate(CHUNK.readBytes, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Written',
        description: 'Bytes written to chunks in a second, by node; each replica counts where it lies.',
        unit: 'Bps',
        queries: [{ expression: sum(rate(CHUNK.writtenBytes, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Operations on files',
        description: 'What the masters were asked to do in a second, by operation.',
        unit: 'ops',
        queries: [{ expression: sum(rate(MASTER.operations), 'operation'), legend: '{{operation}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Refused and failed operations',
        description:
          'Operations that ended with a code other than OK. ENOENT and EEXIST are what callers asked for; others are worth a look.',
        unit: 'ops',
        queries: [{ expression: sum(rate(MASTER.operations, { code: not('OK') }), 'operation', 'code'), legend: '{{operation}} {{code}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Operations of chunk servers',
        description: 'What chunk servers were asked to do in a second, by operation.',
        unit: 'ops',
        queries: [{ expression: sum(rate(CHUNK.operations, HERE), 'operation'), legend: '{{operation}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Failed operations of chunk servers',
        description: 'Those that ended with a code other than OK, by node. One node alone: look at its disk.',
        unit: 'ops',
        queries: [{ expression: sum(rate(CHUNK.operations, { ...HERE, code: not('OK') }), 'node', 'code'), legend: '{{node}} {{code}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Chunks',
        description: 'Chunks by state. Many open ones with few writers: their writers died, and the master seals them after a while.',
        unit: 'short',
        queries: [{ expression: max(series(MASTER.chunks), 'state'), legend: '{{state}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Chunks that lack copies',
        description: 'How it went: a hill that falls again is a repair; a plain that stays needs somebody.',
        unit: 'short',
        queries: [
          { expression: max(series(MASTER.underReplicated)), legend: 'too few replicas' },
          { expression: max(series(MASTER.unavailable)), legend: 'no replica' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Replicas',
        description: 'Replicas on each node, as the masters know them. Nodes far apart: balance has not come to it yet.',
        unit: 'short',
        queries: [{ expression: max(series(MASTER.replicas, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Disk used',
        description:
          'The share of each disk below the chunks that is taken. A full one takes no new chunks; those of one node become alike by and by.',
        unit: 'percentunit',
        limits: { orange: 0.8, red: 0.9 },
        queries: [
          {
            expression: `1 - ${part(series(CHUNK.diskBytes, { ...HERE, kind: 'free' }), series(CHUNK.diskBytes, { ...HERE, kind: 'total' }), 'kind')}`,
            legend: '{{node}} {{disk}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Disks out of use',
        description: 'Disks of chunk servers that failed, are missing or are of another node. What lay there is copied from elsewhere.',
        unit: 'short',
        limits: { red: 1 },
        queries: [
          {
            expression: sum(series(CHUNK.disks, { ...HERE, state: like('failed|missing|refused') }), 'node', 'state'),
            legend: '{{node}} {{state}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Queue at the disks',
        description: 'Operations under way on each disk. One that stands out for long is slow: look at it before it fails.',
        unit: 'short',
        queries: [{ expression: series(CHUNK.diskQueue, HERE), legend: '{{node}} {{disk}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Random files',
        description:
          'What chunks of random files take of the disk of each node, and what of its journal a start would have to do again: 64 MiB at most.',
        unit: 'bytes',
        queries: [{ expression: series(CHUNK.randomBytes, HERE), legend: '{{node}} {{kind}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Chunks of random files',
        description: 'How many each node holds, whatever is in them.',
        unit: 'short',
        queries: [{ expression: series(CHUNK.randomChunks, HERE), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Errors of disks',
        description: 'Errors that disks returned in a second. A disk is left alone after a failed write or sync, or three failed reads.',
        unit: 'ops',
        queries: [{ expression: rate(CHUNK.diskErrors, HERE), legend: '{{node}} {{disk}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Chunk files',
        description: 'Files on the disks of chunk servers. More than replicas for long: leftovers that garbage collection has not reached.',
        unit: 'short',
        queries: [{ expression: sum(series(CHUNK.chunkFiles, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Copies',
        description:
          'Replicas copied to another node by drain or balance in a second, and replicas dropped because their bytes were wrong.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(MASTER.replicasMoved)), legend: 'moved' },
          { expression: sum(rate(MASTER.badReplicas)), legend: 'bad' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Chunk servers that are missed',
        description:
          'Those that hold replicas and are not there: away, and dead once they were missed for so long that what they hold is made again elsewhere. One master looks after it.',
        unit: 'short',
        queries: [
          { expression: sum(series(HEALING.nodesMissed), 'state'), legend: '{{state}}' },
          { expression: sum(series(HEALING.controls)), legend: 'masters in control' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Lacking',
        description: 'Bytes to be copied until every chunk has the replicas that servers can hold.',
        unit: 'bytes',
        queries: [{ expression: max(series(HEALING.lackingBytes)), legend: 'lacking' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Healing',
        description: 'Bytes of replicas that were lacking and were copied in a second, and bytes read back by scrubbing.',
        unit: 'Bps',
        queries: [
          { expression: sum(rate(HEALING.repairedBytes)), legend: 'copied' },
          { expression: sum(rate(SCRUB.scrubbedBytes)), legend: 'read back' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'What healing did',
        description:
          'In a second: replicas made again, those that were too many and removed, those that were lost or found damaged, files that no row named. One disk behind all of it: take it out.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(HEALING.replicasMade)), legend: 'made' },
          { expression: sum(rate(HEALING.replicasTrimmed)), legend: 'too many' },
          { expression: sum(rate(HEALING.replicasLost)), legend: 'lost' },
          { expression: sum(rate(SCRUB.scrubBad)), legend: 'damaged' },
          { expression: sum(rate(HEALING.orphansRemoved)), legend: 'orphans' },
        ],
      }),
    )
    .build();
}
