/**
 * HDFS and MinIO, as the scripts of the peers' directory start, load and end them: one namenode and three datanodes with three copies; one MinIO over four
 * directories, erasure coded 2 + 2. Each round runs a script once, beside what Pangu does in that round. What cannot be had is said, and the bench goes on without it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { READ, WRITE } from './data.ts';
import type { Figure } from './figures.ts';
import { CREATE, READ_SMALL, STAT } from './small.ts';

/** Getting a peer's programs from their registries may take this long, the first time. */
const MS_MAX = 15 * 60_000;

interface Meaning {
  case: string;
  system: string;
  synced: Figure['synced'];
}

/** By the peer's script and the operation that it prints. MinIO syncs what it writes unless it is told not to. */
const MEANINGS: Record<Peer, Record<string, Meaning>> = {
  hdfs: {
    'write-big': { case: WRITE, system: 'HDFS', synced: 'no' },
    'write-big-hsync': { case: WRITE, system: 'HDFS, hsync at the end', synced: 'yes' },
    'read-big': { case: READ, system: 'HDFS', synced: '-' },
    'write-4KiB-c32': { case: CREATE, system: 'HDFS', synced: 'no' },
    'write-4KiB-hsync-c32': { case: CREATE, system: 'HDFS, hsync', synced: 'yes' },
    'read-4KiB-c32': { case: READ_SMALL, system: 'HDFS', synced: '-' },
    'list-status-c32': { case: STAT, system: 'HDFS', synced: '-' },
  },
  minio: {
    'write-big': { case: WRITE, system: 'MinIO (2 + 2)', synced: 'yes' },
    'read-big': { case: READ, system: 'MinIO (2 + 2)', synced: '-' },
    'write-4KiB-c32': { case: CREATE, system: 'MinIO', synced: 'yes' },
    'read-4KiB-c32': { case: READ_SMALL, system: 'MinIO', synced: '-' },
  },
};

export type Peer = 'hdfs' | 'minio';
export const PEERS: readonly Peer[] = ['hdfs', 'minio'];

export async function measurePeer(
  peer: Peer,
  { directory, bigBytes, seconds }: { directory: string; bigBytes: number; seconds: number },
): Promise<Figure[]> {
  const script = join(directory, `${peer}.sh`);
  if (!existsSync(script)) throw new Error(`no ${script} (--peers names the directory)`);
  const env = { ...process.env, RUNS: '1', SECS: String(seconds), MIB: String(bigBytes >> 20) };
  // A group of its own: what the script started ends with it when it takes too long.
  const child = spawn('bash', [script], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const end = (): void => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGTERM');
  };
  process.once('exit', end);
  const timer = setTimeout(end, MS_MAX);
  const figures: Figure[] = [];
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint = `${complaint}${text}`.slice(-500);
  });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const figure = figureOf(peer, line);
    if (figure) figures.push(figure);
  }
  const ended = await code;
  clearTimeout(timer);
  process.off('exit', end);
  if (figures.length === 0) throw new Error(`${script} ended with ${ended} and no figures: ${complaint.trim()}`);
  return figures;
}

/** A line of a script: label, load, what was measured as JSON, with tabs between. */
export function figureOf(peer: Peer, line: string): Figure | undefined {
  const [label, , json] = line.split('\t');
  if (label !== peer || !json?.startsWith('{')) return undefined;
  const { op, MBps, per_s, p50_ms, p99_ms } = JSON.parse(json) as { op: string } & Record<string, number | undefined>;
  const meaning = MEANINGS[peer][op];
  if (!meaning) return undefined;
  return {
    ...meaning,
    unit: MBps === undefined ? '/s' : 'MB/s',
    perSecond: MBps ?? per_s ?? Number.NaN,
    ...(p50_ms === undefined ? {} : { p50Ms: p50_ms }),
    ...(p99_ms === undefined ? {} : { p99Ms: p99_ms }),
  };
}
