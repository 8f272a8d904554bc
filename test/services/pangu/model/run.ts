import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { silentLogger } from '../../../../services/base/log.ts';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import { joinCluster } from '../../../../services/nuwa/client.ts';
import { createPangu, fsck } from '../../../../services/pangu/client.ts';
import { masterService } from '../../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../../helpers/pangu-cluster.ts';
import { whyNoMounts } from '../../../helpers/small-disks.ts';
import { appendToFile, readFile, setReplicas, writeFile } from './append-steps.ts';
import { Area, type World } from './area.ts';
import { WrongAnswer } from './contents.ts';
import { drawFaults, type Fault, Faults, mountDisks, tellFault } from './faults.ts';
import { findBroken } from './invariants.ts';
import { NAME_STEPS } from './name-steps.ts';
import { changeRandomFile, makeRandomFile } from './random-steps.ts';
import { SharedLog, SharedNames } from './shared.ts';

/**
 * Everything at once against a model: several areas with one operation after the other, logs and a directory that all of them use, and meanwhile servers that die, stand
 * still, have full disks or forget bits. At the end all faults are mended, and all that was acknowledged must be there, each replica of it whole.
 */
export interface ModelOptions {
  seed: number;
  /** For how long steps begin. */
  seconds: number;
  /** And so many at least, however slow the machine is. @default 0 */
  stepsMin?: number;
  /** @default 4 */
  areas?: number;
  /** Rounds of faults; without end when it is not said. */
  rounds?: number;
  /** How long a round of faults lasts at most, once all have begun. @default 4_000 */
  holdMs?: number;
  say?: (line: string) => void;
}

export interface ModelReport {
  steps: number;
  faults: string[];
  counts: World['counts'];
  files: number;
  bytes: number;
}

const NODES = ['n1', 'n2', 'n3', 'n4'].map((id, i) => ({ id, rack: i < 2 ? 'r1' : 'r2' }));
const MASTERS = 2;
/** Random stores leave 96 MiB of a disk alone; nothing of it is taken before it is used. */
const DISK_MIB = 400;
const HOLD_MS_MAX = 4_000;
const CALM_MS_MAX = 3_000;
const CLEAN_WITHIN_MS = 120_000;

const STEPS: [weight: number, step: (area: Area) => Promise<void>][] = [
  ...NAME_STEPS,
  [14, writeFile],
  [10, appendToFile],
  [12, readFile],
  [2, setReplicas],
  [7, makeRandomFile],
  [9, changeRandomFile],
];

export async function runModel(options: ModelOptions): Promise<ModelReport> {
  const { seed, seconds, areas: areaCount = 4, say = () => {} } = options;
  const random = seededRandom(seed);
  const root = mkdtempSync(join(tmpdir(), 'feitian-model-'));
  const directories = NODES.map(({ id }) => join(root, id));
  const unmount = whyNoMounts() ? undefined : mountDisks(directories, DISK_MIB);
  let cluster: PanguCluster | undefined;
  let sql: postgres.Sql | undefined;
  const areas: Area[] = [];
  const told: string[] = [];
  try {
    cluster = await startPanguCluster({
      nodes: NODES.map((node, i) => ({ ...node, dataDir: directories[i] })),
      processes: ['pangu-master', 'pangu-chunk'],
      masters: MASTERS,
      trashRetentionMs: 3600_000,
      ofProcesses: {
        master: {
          garbage: { graceMs: 5_000, pauseMs: 500 },
          control: { mendMs: 500 },
          leases: { intervalMs: 1_000 },
        },
        chunkServer: { reportMs: 500, report: { firstMs: 500, pauseMs: 50 }, scrub: { bytesPerSecond: 64 * 1024 * 1024, pauseMs: 1_000 } },
      },
    });
    sql = postgres(cluster.databaseUrl, { max: 2, onnotice: () => {} });
    const masters = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    await masters.setHealing({ settings: { deadAfterMs: 4_000, sweepMs: 5_000, orphanGraceMs: 20_000 } });
    const endAtMs = performance.now() + seconds * 1000;
    let steps = 0;
    const world = worldOf(cluster, () => performance.now() > endAtMs && steps >= (options.stepsMin ?? 0));
    for (let i = 0; i < areaCount; i++) {
      areas.push(new Area(world, `/area${i}`, seededRandom(random.int(2 ** 30))));
      await cluster.pangu.mkdir(areas[i]!.root);
    }
    const shared = { logs: [0, 1].map((i) => new SharedLog(`/log${i}`, random.int(2 ** 30))), names: new SharedNames('/shared') };
    const faults = new Faults({ cluster, random, sql, diskMib: unmount && DISK_MIB });
    let failed = false;
    const work = async (area: Area, index: number): Promise<void> => {
      while (!world.isOver() && !failed) {
        await step(area, index, shared);
        steps++;
      }
    };
    const failing = (error: unknown): never => {
      failed = true;
      throw error;
    };
    const tell = (fault: string): void => {
      told.push(`${((performance.now() - endAtMs) / 1000 + seconds).toFixed(1)} s ${fault}`);
      say(told.at(-1)!);
    };
    const going = areas.map((area, i) => work(area, i).catch(failing));
    going.push(
      trouble(faults, {
        random,
        cluster,
        rounds: options.rounds,
        holdMs: options.holdMs ?? HOLD_MS_MAX,
        isOver: () => world.isOver() || failed,
        tell,
        canFill: unmount !== undefined,
      }).catch(failing),
    );
    const ends = await Promise.allSettled(going);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    say(`${steps} steps; now all must be whole`);
    const report = await finish(cluster, areas, shared, sql);
    return { steps, faults: told, counts: world.counts, ...report };
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error;
    throw new WrongAnswer(`seed ${seed}: ${error.message}\n${[...told, ...historyOf(areas, error)].join('\n')}`, { cause: error });
  } finally {
    await sql?.end();
    await cluster?.stop();
    unmount?.();
    rmSync(root, { recursive: true, force: true });
  }
}

/** The last operations of the area that the failure speaks of. */
function historyOf(areas: readonly Area[], error: Error): string[] {
  const concerned = areas.filter(({ root }) => error.message.includes(root) || (error as { area?: unknown }).area === root);
  return concerned.flatMap((area) => [`${area.root}:`, area.lastLines()]);
}

function worldOf(cluster: PanguCluster, isOver: () => boolean): World {
  return {
    clients: [cluster.pangu, cluster.clientOn('n1'), cluster.clientOn('n3')],
    isOver,
    counts: new Map(),
    loneClient: async () => {
      const alone = await joinCluster({ cluster: 'test', nuwa: [cluster.nuwaAddress], creator: 'alone', log: silentLogger });
      const pangu = createPangu({ cluster: 'test', kuafu: alone.kuafu, nuwa: alone.nuwa, log: silentLogger });
      return { pangu, leave: () => alone.leave() };
    },
  };
}

type Shared = { logs: SharedLog[]; names: SharedNames };

async function step(area: Area, index: number, { logs, names }: Shared): Promise<void> {
  try {
    const dice = area.random.next();
    if (dice < 0.15) return await area.pick(logs).append(area, index);
    if (dice < 0.18) return await area.pick(logs).read(area);
    if (dice < 0.4) return await names.step(area);
    if (area.possible.isTooMany) for (const path of area.directories()) await area.look(path);
    const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
    let at = area.random.int(total);
    for (const [weight, one] of STEPS) {
      at -= weight;
      if (at < 0) return await one(area);
    }
  } catch (error) {
    throw error instanceof WrongAnswer ? Object.assign(error, { area: error.message.startsWith('/log') ? undefined : area.root }) : error;
  }
}

async function trouble(
  faults: Faults,
  options: {
    random: Random;
    cluster: PanguCluster;
    rounds?: number;
    holdMs: number;
    isOver: () => boolean;
    tell: (fault: string) => void;
    canFill: boolean;
  },
): Promise<void> {
  const { random, cluster, rounds = Number.POSITIVE_INFINITY, isOver, tell, canFill } = options;
  for (let round = 0; round < rounds && !isOver(); round++) {
    await delay(200 + random.int(CALM_MS_MAX));
    const drawn = drawFaults(random, cluster.nodes, MASTERS, canFill);
    const begun: Fault[] = [];
    try {
      for (const fault of drawn) {
        tell(tellFault(fault));
        begun.push(fault);
        await faults.begin(fault);
        await delay(random.int(1_000));
      }
      await delay(random.int(options.holdMs));
    } finally {
      await Promise.all(begun.map((fault) => faults.end(fault)));
    }
    tell('mended');
    // Bits that were flipped are one of the things that are wrong until all is found whole: then the next round may take two again.
    if (drawn.some(({ kind }) => kind === 'flip')) {
      await whole(cluster, isOver, faults.damaged);
      faults.whole();
      tell('whole');
    }
  }
}

/** @returns problems that are left when it gives up, of some chunks or of all. */
async function whole(cluster: PanguCluster, isOver: () => boolean, chunks?: ReadonlySet<string>): Promise<string[]> {
  const giveUpAtMs = performance.now() + CLEAN_WITHIN_MS;
  for (;;) {
    const problems = await fsck(cluster.cluster.kuafu, 'test', { verify: true }).then(
      (report) =>
        report.problems
          .filter(({ kind, chunk }) => kind !== 'crowded' && (!chunks || (chunk !== undefined && chunks.has(chunk))))
          .map(({ path, kind, detail, chunk }) => `${path} ${chunk ?? ''} ${kind}: ${detail}`),
      (error: Error) => [error.message],
    );
    if (problems.length === 0 || isOver()) return problems;
    if (performance.now() > giveUpAtMs) return problems;
    await delay(300);
  }
}

async function finish(
  cluster: PanguCluster,
  areas: readonly Area[],
  { logs, names }: Shared,
  sql: postgres.Sql,
): Promise<{ files: number; bytes: number }> {
  for (const log of logs) await log.close();
  names.finish();
  const problems = await whole(cluster, () => false);
  if (problems.length > 0) throw new WrongAnswer(`after ${CLEAN_WITHIN_MS} ms without faults fsck is not clean:\n${problems.join('\n')}`);
  let [files, bytes] = [0, 0];
  for (const area of areas) {
    for (const path of area.directories()) if (area.possible.isCertain || area.possible.tree.has(path)) await area.look(path);
    if (!area.possible.isCertain) throw new WrongAnswer(`${area.root}: what its directories hold fits several trees`);
    for (const path of area.files()) {
      const { id } = area.possible.tree.get(path)!;
      const whole = await cluster.pangu.readFile(area.at(path));
      (area.growing.get(id) ?? area.randoms.get(id)!).check(whole, 0, Number.MAX_SAFE_INTEGER);
      files++;
      bytes += whole.length;
    }
  }
  for (const log of logs) if (log.contents.count > 0) log.check(await cluster.pangu.readFile(log.path));
  const broken = await findBroken(sql, cluster);
  if (broken.length > 0) throw new WrongAnswer(`rows contradict each other or the disks:\n${broken.join('\n')}`);
  return { files, bytes };
}
