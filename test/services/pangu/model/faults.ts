import { execFileSync } from 'node:child_process';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type postgres from 'postgres';
import type { Random } from '../../../../services/base/random.ts';
import type { PanguCluster } from '../../../helpers/pangu-cluster.ts';
import { mountSmallDisk, unmountDisk } from '../../../helpers/small-disks.ts';

/**
 * What goes wrong. A round takes two things at most, one less than a file has replicas, holds them for a while, and mends them; bits that were flipped count until
 * everything was found whole again. So whatever is lost is lost by Pangu.
 */
export type Fault =
  | { kind: 'kill'; node: string }
  | { kind: 'stop'; node: string }
  | { kind: 'killMaster'; which: number }
  | { kind: 'stopMaster'; which: number }
  | { kind: 'full'; node: string }
  | { kind: 'flip'; node: string; files: number };

export function drawFaults(random: Random, nodes: readonly string[], masters: number, disksCanFill: boolean): Fault[] {
  const order = [...nodes].sort(() => random.next() - 0.5);
  const faults: Fault[] = [];
  const kinds = ['kill', 'stop', 'flip', 'killMaster', 'stopMaster', ...(disksCanFill ? (['full'] as const) : [])] as const;
  for (let i = 0; i < 2; i++) {
    const kind = kinds[random.int(kinds.length)]!;
    if (kind === 'killMaster' || kind === 'stopMaster') {
      if (!faults.some((fault) => 'which' in fault)) faults.push({ kind, which: random.int(masters) });
    } else if (kind === 'flip') faults.push({ kind, node: order[i]!, files: 1 + random.int(4) });
    else faults.push({ kind, node: order[i]! });
  }
  return faults;
}

/** Where the bytes of a chunk begin in its file, at the latest: what is flipped before is the table's, and found as well. */
const HEAD_BYTES = 4096;

export class Faults {
  readonly #cluster: PanguCluster;
  readonly #random: Random;
  readonly #sql: postgres.Sql;
  /** Size of the disk of each node, where it is one. */
  readonly #diskMib: number | undefined;
  /** Chunks of which one replica was damaged, and nobody has seen yet that all are whole. */
  readonly #damaged = new Set<string>();

  constructor(options: { cluster: PanguCluster; random: Random; sql: postgres.Sql; diskMib: number | undefined }) {
    this.#cluster = options.cluster;
    this.#random = options.random;
    this.#sql = options.sql;
    this.#diskMib = options.diskMib;
  }

  async begin(fault: Fault): Promise<void> {
    const { pids } = this.#cluster;
    if (fault.kind === 'kill') await this.#cluster.killChunkServer(fault.node);
    else if (fault.kind === 'killMaster') await this.#cluster.killMaster(fault.which);
    else if (fault.kind === 'stop') process.kill(pids.get(fault.node)!, 'SIGSTOP');
    else if (fault.kind === 'stopMaster') process.kill(pids.get(masterName(fault.which))!, 'SIGSTOP');
    else if (fault.kind === 'full') this.#resize(fault.node, 'used');
    else await this.#flip(fault);
  }

  async end(fault: Fault): Promise<void> {
    const { pids } = this.#cluster;
    if (fault.kind === 'kill') await this.#cluster.startChunkServer(fault.node);
    else if (fault.kind === 'killMaster') await this.#cluster.startMaster(fault.which);
    else if (fault.kind === 'stop') process.kill(pids.get(fault.node)!, 'SIGCONT');
    else if (fault.kind === 'stopMaster') process.kill(pids.get(masterName(fault.which))!, 'SIGCONT');
    else if (fault.kind === 'full') this.#resize(fault.node, 'all');
  }

  get damaged(): ReadonlySet<string> {
    return this.#damaged;
  }

  /** They were read back, and all of them are whole. */
  whole(): void {
    this.#damaged.clear();
  }

  #resize(node: string, to: 'used' | 'all'): void {
    const directory = this.#cluster.chunkDirectory(node);
    const kib =
      to === 'all' ? this.#diskMib! * 1024 : Number(execFileSync('du', ['-sk', directory], { encoding: 'utf8' }).split('\t')[0]) + 64;
    try {
      execFileSync('mount', ['-o', `remount,size=${kib}k`, directory], { stdio: 'pipe' });
    } catch (error) {
      // It has grown since it was measured: then it stays as it was.
      if (to === 'all') throw error;
    }
  }

  async #flip({ node, files }: { node: string; files: number }): Promise<void> {
    const directory = this.#cluster.chunkDirectory(node);
    for (let i = 0; i < files; i++) {
      const places = [join(directory, 'chunks'), join(directory, 'random', 'chunks')];
      const there = (
        await Promise.all(places.map(async (place) => (await readdir(place).catch(() => [])).map((name) => join(place, name))))
      ).flat();
      // Those that nobody writes, with as many others that nothing has happened to as the round's other fault cannot take: a writer that opens a random file goes on without those it takes.
      const whole = new Set(
        (
          await this.#sql<{ id: string }[]>`
            select c.id from pangu.chunks c join pangu.inodes i on i.id = c.file join pangu.replicas r on r.chunk = c.id
            where i.deleted_at is null and (c.state = 'sealed' or (i.kind = 'random' and i.state = 'closed'))
            group by c.id, i.kind having count(*) >= case i.kind when 'random' then 3 else 2 end and bool_or(r.node = ${node})`
        ).map(({ id }) => id),
      );
      const candidates = there.filter((path) => whole.has(basename(path)) && !this.#damaged.has(basename(path)));
      if (candidates.length === 0) return;
      const path = candidates[this.#random.int(candidates.length)]!;
      this.#damaged.add(basename(path));
      await flipByte(path, this.#random);
    }
  }
}

async function flipByte(path: string, random: Random): Promise<void> {
  const { size } = await stat(path);
  if (size <= HEAD_BYTES) return;
  const file = await open(path, 'r+');
  try {
    const position = HEAD_BYTES + random.int(size - HEAD_BYTES);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
    buffer[0]! ^= 1 << random.int(8);
    await file.write(buffer, 0, 1, position);
  } finally {
    await file.close();
  }
}

const masterName = (which: number): string => (which === 0 ? 'master' : `master-${which}`);

export function mountDisks(directories: readonly string[], mib: number): () => void {
  for (const directory of directories) mountSmallDisk(directory, mib);
  return () => {
    for (const directory of directories) unmountDisk(directory);
  };
}

export const tellFault = (fault: Fault): string => `${fault.kind} ${'node' in fault ? fault.node : `master ${fault.which}`}`;
