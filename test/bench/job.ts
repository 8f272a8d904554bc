import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { JobProgress } from '../../services/fuxi/contract.ts';
import { openCluster, progressOf, resultOf, type TestCluster } from '../helpers/cluster.ts';
import type { Row } from './main.ts';
import { zipfText } from './text.ts';

/**
 * What a job costs: a word count over 1 GiB of text beside `awk` on one core over the same bytes, and a thousand instances that do nothing.
 * The engine's share is the part of the containers' time in which no attempt ran: granting, scheduling, starting containers, publishing.
 */
const AWK = '{ for (i = 1; i <= NF; i++) count[$i]++ } END { for (word in count) print word "\\t" count[word] }';
const EXAMPLES = new URL('../../infra/examples/', import.meta.url);

export async function run({ quick, say }: { quick: boolean; say: (line: string) => void }): Promise<Row[]> {
  const bytes = quick ? 1 << 26 : 1 << 30;
  const cluster = await openCluster();
  try {
    const text = join(cluster.dir, 'text');
    say(`making ${bytes >> 20} MiB of text …`);
    await pipeline(zipfText(bytes), createWriteStream(text));
    say('putting it into Pangu …');
    const put = await timed(() =>
      pipeline(createReadStream(text, { highWaterMark: 1 << 20 }), cluster.pangu.createWriteStream('/bench/text', { parents: true })),
    );
    say('counting words …');
    const words = await job(cluster, 'wordcount.json', (document) => {
      document.pipes[0]!.source.filePattern = 'pangu://local/bench/text';
    });
    say('awk on one core …');
    const awk = await timed(() => awkCount(text, join(cluster.dir, 'awk-output')));
    await rm(text);
    say('a thousand instances that do nothing …');
    const noop = await job(cluster, 'noop.json', () => {});
    const mib = bytes / 1_048_576;
    return [
      {
        what: `word count of ${mib} MiB`,
        figures: {
          'seconds to put it (3 copies, synced)': put / 1000,
          'MiB/s put': mib / (put / 1000),
          'seconds, job': words.wallMs / 1000,
          'seconds, plan': (words.progress.planMs ?? 0) / 1000,
          'seconds, map': taskSeconds(words.progress, 'map'),
          'seconds, reduce': taskSeconds(words.progress, 'reduce'),
          'seconds, publish': (words.progress.publishMs ?? 0) / 1000,
          'MiB/s, job': mib / (words.wallMs / 1000),
          'engine share': share(words),
          'seconds, awk on one core': awk / 1000,
          'MiB/s, awk': mib / (awk / 1000),
          'awk time / job time': awk / words.wallMs,
        },
      },
      {
        what: '1,000 no-op instances',
        figures: {
          'seconds, job': noop.wallMs / 1000,
          'instances per second': 1_000 / (noop.wallMs / 1000),
          'engine share': share(noop),
        },
      },
    ];
  } finally {
    await cluster.stop();
  }
}

interface Measured {
  wallMs: number;
  progress: JobProgress;
  slots: number;
}

async function job(
  cluster: TestCluster,
  example: string,
  change: (document: { pipes: { source: { filePattern: string } }[] } & Record<string, never>) => void,
): Promise<Measured> {
  const document = JSON.parse(await readFile(new URL(example, EXAMPLES), 'utf8'));
  change(document);
  const startedMs = performance.now();
  const handle = await cluster.submit(document);
  await resultOf(handle);
  const wallMs = performance.now() - startedMs;
  // One container of one cpu on each node of a default cluster.
  return { wallMs, progress: await progressOf(handle), slots: cluster.cluster.info.nodes.length };
}

function share({ wallMs, progress, slots }: Measured): number {
  const attemptMs = Object.values(progress.tasks).reduce((sum, task) => sum + task.attemptMs, 0);
  return 1 - attemptMs / (slots * wallMs);
}

function taskSeconds(progress: JobProgress, task: string): number {
  const { startedAtMs = 0, finishedAtMs = 0 } = progress.tasks[task]!;
  return (finishedAtMs - startedAtMs) / 1000;
}

async function awkCount(input: string, output: string): Promise<void> {
  const awk = spawn('awk', [AWK, input], { env: { ...process.env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'inherit'] });
  const [[code]] = await Promise.all([once(awk, 'close'), pipeline(awk.stdout, createWriteStream(output))]);
  if (code !== 0) throw new Error(`awk exited with ${code}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
