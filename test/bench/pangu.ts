import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchOptions, Row } from './main.ts';
import { data, dataAims } from './pangu/data.ts';
import { type Aim, type Figure, rowsOf } from './pangu/figures.ts';
import { repeat } from './pangu/load.ts';
import { log, logAims } from './pangu/log.ts';
import { names } from './pangu/namespace.ts';
import { measurePeer, PEERS } from './pangu/peers.ts';
import { random } from './pangu/random.ts';
import { small, smallAims } from './pangu/small.ts';
import { openStage, type Stage } from './pangu/stage.ts';

export { render } from './pangu/figures.ts';

/**
 * Pangu beside HDFS and MinIO, and beside what the disk and a socket do alone: `npm run bench -- pangu [--only data,small,random,log,names]`. What counts are ratios within a
 * round: other work on the machine slows all. Each figure says whether it was on disk when it was told.
 */
const PEERS_DIRECTORY = fileURLToPath(new URL('../../../shared/peers', import.meta.url));

const PARTS: Record<string, (stage: Stage) => Promise<Figure[]>> = { data, small, random, log };
const NAMES = 'names';
/** Those of which peers do some of the same. */
const WITH_PEERS = ['data', 'small'];
const AIMS: Aim[] = [...dataAims, ...smallAims, ...logAims];

export async function run(options: BenchOptions): Promise<Row[]> {
  const { quick, say, rounds = quick ? 1 : 3, peers = PEERS_DIRECTORY } = options;
  const wanted = options.only?.split(',') ?? [...Object.keys(PARTS), NAMES];
  const unknown = wanted.filter((name) => !PARTS[name] && name !== NAMES);
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there are ${[...Object.keys(PARTS), NAMES].join(', ')}`);
  const missing: Record<string, string> = {};
  const measured: Figure[][] = [];
  const machine: Row['figures'] = { processors: cpus().length, node: process.version, rounds, 'load before': loadavg()[0]! };
  const parts = wanted.filter((name) => PARTS[name]);
  const peersWanted = wanted.some((name) => WITH_PEERS.includes(name)) ? [...PEERS] : [];
  for (let round = 0; round < rounds && parts.length > 0; round++) {
    const figures: Figure[] = [];
    measured.push(figures);
    const told = (part: string, more: Figure[]): void => {
      figures.push(...more);
      for (const { case: name, system, unit, perSecond } of more)
        say(`round ${round + 1}, ${part}: ${name}, ${system}: ${Math.round(perSecond)} ${unit}`);
    };
    const stage = await openStage({ quick });
    try {
      await warmUp(stage);
      for (const part of parts) told(part, await PARTS[part]!(stage));
    } finally {
      await stage.stop();
    }
    // Not at the same time: both are to have the machine for themselves.
    for (const peer of peersWanted.filter((name) => !missing[name])) {
      try {
        told(peer, await measurePeer(peer, { directory: resolve(peers), bigBytes: stage.bigBytes, seconds: stage.seconds }));
      } catch (error) {
        missing[peer] = (error as Error).message;
        say(`left out: ${peer}: ${missing[peer]}`);
      }
    }
  }
  const ofNames = wanted.includes(NAMES) ? await names(options) : [];
  machine['load after'] = loadavg()[0]!;
  return [
    ...rowsOf(measured, AIMS),
    ...ofNames,
    { what: 'the machine', figures: machine },
    ...(Object.keys(missing).length > 0 ? [{ what: 'left out', figures: missing }] : []),
  ];
}

/** A first run is that of code that was never compiled: servers that have run for a while are measured. */
async function warmUp({ local, remote, piece }: Stage): Promise<void> {
  const file = await local.open('/warm', 'wx');
  for (let i = 0; i < 128; i++) await file.write(piece);
  await file.close();
  for (const client of [local, remote]) for await (const bytes of client.createReadStream('/warm')) void bytes;
  await local.rm('/warm', { skipTrash: true });
  const path = (index: number): string => `/warm-${index}`;
  const { count } = await repeat((index) => local.writeFile(path(index), piece.subarray(0, 4_096)), { seconds: 2, inFlight: 32 });
  await repeat((index) => remote.readFile(path(index % count)), { seconds: 1, inFlight: 32 });
  const log = await local.openLog('/warm-log');
  await repeat(() => log.append(piece.subarray(0, 100)), { seconds: 1, inFlight: 32 });
  await log.close();
}
