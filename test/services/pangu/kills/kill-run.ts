import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { hasCode } from '../../../../services/base/errors.ts';
import type { ServiceClient } from '../../../../services/kuafu/contract.ts';
import { fsck } from '../../../../services/pangu/client.ts';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import { type MasterContract, masterService } from '../../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../../helpers/pangu-cluster.ts';
import { startPanguWriter, type WriterProcess } from '../../../helpers/pangu-writer.ts';
import { type TestPostgres, withPostgres } from '../../../helpers/postgres.ts';
import { findBroken } from '../model/invariants.ts';
import type { Cell } from './matrix.ts';

const WITHIN_MS = 60_000;
const LOOK_MS = 100;
const FIRST = 'synced and acknowledged, ';
/** Longer than a chunk, so that another is asked for on the way. */
const SECOND = 'and more of it '.repeat(8_000);

/** A cluster of processes, used for one cell after the other. */
export class KillRun {
  readonly #cluster: PanguCluster;
  readonly #postgres: TestPostgres;
  readonly #masters: ServiceClient<MasterContract>;
  #count = 0;

  private constructor(cluster: PanguCluster, database: TestPostgres) {
    this.#cluster = cluster;
    this.#postgres = database;
    this.#masters = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
  }

  static async start(): Promise<KillRun> {
    const database = await withPostgres();
    const cluster = await startPanguCluster({
      databaseUrl: database.url,
      processes: ['pangu-master', 'pangu-chunk'],
      ofProcesses: {
        master: { garbage: { graceMs: 100, pauseMs: 100 }, leases: { intervalMs: 300 }, control: { watchMs: 200, mendMs: 200 } },
        chunkServer: { report: { firstMs: 100, pauseMs: 0 } },
      },
    });
    return new KillRun(cluster, database);
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
    await this.#postgres.stop();
  }

  /** @throws where an invariant does not hold afterwards. */
  async play(cell: Cell): Promise<void> {
    const directory = `/kill${++this.#count}`;
    await this.#cluster.pangu.mkdir(directory);
    if (cell.step === 'create' || cell.step === 'append' || cell.step === 'seal') await this.#write(cell, `${directory}/f`);
    else if (cell.step === 'publish') await this.#publish(cell, directory);
    else await this.#copy(cell, `${directory}/f`);
    await this.#invariants(cell);
  }

  /** A writer in a process of its own: it says FIRST is safe, then writes the rest. */
  async #write(cell: Cell, path: string): Promise<void> {
    const writer = await startPanguWriter(this.#cluster.nuwaAddress, { ttlMs: 1_500 });
    try {
      const create = () => writer.tell({ what: 'open', path, mode: 'wx', options: { chunkBytes: BLOCK_BYTES } });
      const begin = async (): Promise<void> => {
        await writer.tell({ what: 'write', path, text: FIRST });
        await writer.tell({ what: 'sync', path });
      };
      const end = async (): Promise<void> => {
        await writer.tell({ what: 'write', path, text: SECOND });
        await writer.tell({ what: 'close', path });
      };
      const run = async (work: () => Promise<unknown>): Promise<boolean> => {
        const done = work().then(
          () => true,
          () => false,
        );
        return Promise.race([done, writer.gone.then(() => false)]);
      };
      let [safe, closed] = [false, false];
      if (cell.step === 'create') {
        await this.#killing(cell, [], writer, async () => {
          safe = await run(async () => {
            await create();
            await begin();
          });
          closed = safe && (await run(end));
        });
      } else {
        await create();
        await begin();
        safe = true;
        const nodes = (await this.#cluster.pangu.locate(path))[0]!.nodes;
        await this.#killing(cell, nodes, writer, async () => {
          // Nobody closes it but a master then.
          if (cell.step === 'seal') return writer.kill();
          closed = await run(end);
        });
      }
      if (cell.victim !== 'client' && cell.step !== 'seal' && !closed)
        throw new Error('its writer lived, and could not write it to the end');
      await this.#ended(path, safe, closed);
    } finally {
      await writer.kill();
    }
  }

  /** In the end it is closed, or was never there. */
  async #ended(path: string, safe: boolean, closed: boolean): Promise<void> {
    const { pangu } = this.#cluster;
    await this.#until(async () => {
      const state = await pangu.stat(path).then(
        (stat) => stat.state,
        (error) => (hasCode(error, 'ENOENT') ? 'gone' : 'unknown'),
      );
      return state === 'closed' || (state === 'gone' && !safe) ? undefined : `${path} is ${state}`;
    });
    const text = await pangu.readFile(path).then(String, (error) => {
      if (!safe && hasCode(error, 'ENOENT')) return '';
      throw error;
    });
    if (!(FIRST + SECOND).startsWith(text)) throw new Error(`${path} holds what nobody wrote`);
    if ((safe && text.length < FIRST.length) || (closed && text.length < FIRST.length + SECOND.length))
      throw new Error(`${path} has ${text.length} bytes, and more were acknowledged`);
  }

  async #publish(cell: Cell, directory: string): Promise<void> {
    const { pangu } = this.#cluster;
    const names = ['one', 'two'];
    for (const name of names) await pangu.writeFile(`${directory}/${name}`, name);
    const publish = () =>
      pangu.publish(directory, [{ directory: `${directory}/out`, files: names.map((name) => ({ from: `${directory}/${name}`, name })) }]);
    await this.#killing(cell, [], undefined, async () => {
      await publish().catch(() => {});
    });
    const listed = async (path: string): Promise<string[]> =>
      (await pangu.glob(`${path}/*`)).map((stat) => stat.path.slice(path.length + 1));
    const [before, after] = [await listed(directory), await listed(`${directory}/out`)];
    if ([before.length, after.length].sort().join() !== '0,2') throw new Error(`half published: ${before} and ${after}`);
    await publish();
    if ((await listed(`${directory}/out`)).join() !== 'one,two') throw new Error('published, and not there');
  }

  async #copy(cell: Cell, path: string): Promise<void> {
    const { pangu } = this.#cluster;
    const [before, wanted] = cell.step === 'repair' ? [2, 3] : [2, 2];
    await pangu.writeFile(path, SECOND, { chunkBytes: 8 * BLOCK_BYTES, replicas: before });
    const { chunk, nodes } = (await pangu.locate(path))[0]!;
    const to = this.#cluster.nodes.find((node) => !nodes.includes(node))!;
    // So that nobody else makes it.
    await this.#masters.claimRepair({ holder: 'kill-run', forMs: WITHIN_MS });
    const copy = async (): Promise<void> => {
      if (wanted > before) await this.#masters.replicate({ chunk, to });
      else await this.#masters.moveReplica({ chunk, from: nodes[0]!, to, seal: false });
    };
    await this.#killing(
      cell,
      nodes,
      undefined,
      async () => {
        if (wanted > before) await pangu.setReplicas(path, wanted);
        await copy().catch(() => {});
      },
      to,
    );
    await this.#until(async () => {
      await copy().catch(() => {});
      const now = (await pangu.locate(path))[0]!.nodes;
      const moved = wanted > before || !now.includes(nodes[0]!);
      return now.length === wanted && moved ? undefined : `${path} is on ${now}`;
    });
    await this.#masters.claimRepair({ holder: 'kill-run', forMs: 0 });
    if ((await pangu.readFile(path)).toString() !== SECOND) throw new Error(`${path} holds other bytes`);
  }

  /** Stops the process at the point while `work` runs, kills the victim there, lets who lives go on, and starts again who died. */
  async #killing(
    cell: Cell,
    nodes: readonly string[],
    writer: WriterProcess | undefined,
    work: () => Promise<void>,
    target?: string,
  ): Promise<void> {
    const holder = cell.at === 'master' ? 'master' : cell.at === 'target' ? target! : nodes[0]!;
    const { stopped } = await this.#cluster.processes.get(holder)!.stopAt(cell.point);
    const working = work();
    await Promise.race([
      stopped,
      working.then(() => delay(WITHIN_MS / 3)).then(() => Promise.reject(new Error(`${holder} was never at ${cell.point}`))),
    ]);
    const victim =
      cell.victim === 'itself' ? holder : cell.victim === 'replica' ? (nodes.find((node) => node !== holder) ?? holder) : cell.victim;
    if (victim === 'postgres') await this.#postgres.kill();
    else if (victim === 'client') await writer!.kill();
    else if (victim === 'master') await this.#cluster.killMaster();
    else await this.#cluster.killChunkServer(victim);
    if (victim !== holder) process.kill(this.#cluster.pids.get(holder)!, 'SIGCONT');
    if (victim === 'postgres') await this.#postgres.start();
    else if (victim === 'master') await this.#cluster.startMaster();
    else if (victim !== 'client') await this.#cluster.startChunkServer(victim);
    await working;
  }

  async #invariants(cell: Cell): Promise<void> {
    await this.#until(async () => {
      const report = await fsck(this.#cluster.cluster.kuafu, 'test', { verify: true }).catch((error: Error) => error.message);
      if (typeof report === 'string') return report;
      const problems = report.problems.filter(({ kind }) => kind !== 'crowded');
      return problems.length === 0
        ? undefined
        : `fsck: ${problems.map(({ path, kind, detail }) => `${path} ${kind} ${detail}`).join('; ')}`;
    });
    const sql = postgres(this.#cluster.databaseUrl, { max: 1, onnotice: () => {} });
    try {
      await this.#until(async () => (await findBroken(sql, this.#cluster)).join('; ') || undefined);
    } catch (error) {
      throw new Error(`after ${cell.point}: ${(error as Error).message}`);
    } finally {
      await sql.end();
    }
  }

  /** `look` says what is still wrong. */
  async #until(look: () => Promise<string | undefined>): Promise<void> {
    const giveUpAtMs = performance.now() + WITHIN_MS;
    for (;;) {
      const wrong = await look();
      if (wrong === undefined) return;
      if (performance.now() > giveUpAtMs) throw new Error(`${wrong}, after ${WITHIN_MS} ms`);
      await delay(LOOK_MS);
    }
  }
}
