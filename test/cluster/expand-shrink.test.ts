import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { isFree } from '../../infra/cluster/ports.ts';
import { seededRandom } from '../../services/base/random.ts';
import type { NodesProgress, NodesResult } from '../../services/dayu/nodes-contract.ts';
import { FEITIAN_QUEUE, tuboService } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { joinCluster } from '../../services/nuwa/client.ts';
import { type MasterContract, masterService } from '../../services/pangu/master-contract.ts';
import { joinAsAdmin, leftovers, openCluster, outputLines, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { awkwardTexts, referenceCounts } from '../helpers/word-count.ts';

const run = promisify(execFile);
const FEITIAN = new URL('../../infra/bin/feitian.mjs', import.meta.url).pathname;
const SLOW = 300_000;

/** Counts words; each attempt takes its time, so that jobs are under way whatever else happens. */
const wordCount = (output: string) => ({
  name: 'wordcount',
  tasks: {
    map: { run: { command: ['sh', '-c', 'sleep 0.4; exec tr -s "[:space:]" "\\n"'] } },
    reduce: { run: { command: ['sh', '-c', `sleep 0.4; cut -f1 | uniq -c | awk '{ print $2 "\\t" $1 }'`] }, instances: 3 },
  },
  pipes: [
    { source: { filePattern: 'pangu://local/in/*', splitBytes: 150_000 }, destination: { accessPoint: 'map:input' } },
    { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
    { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local${output}` } },
  ],
});

/** Something that goes on until it is told to stop; what went wrong in it comes out then. */
function throughout(work: (over: () => boolean) => Promise<void>): { end(): Promise<void> } {
  let over = false;
  const working = work(() => over);
  working.catch(() => {});
  return {
    end: () => {
      over = true;
      return working;
    },
  };
}

describe('a cluster that grows and shrinks', () => {
  let test: TestCluster;
  let member: Awaited<ReturnType<typeof joinCluster>>;
  let master: ServiceClient<MasterContract>;
  let sql: postgres.Sql;
  let expected: string[];
  let jobs = 0;
  /** What was written, by path: the hash of its bytes. */
  const written = new Map<string, string>();

  beforeAll(async () => {
    test = await openCluster({ nodes: 4, cpuPerNode: 1, together: false });
    const { info } = test.cluster;
    member = await joinAsAdmin(info, 'test');
    master = member.kuafu.service(masterService, 'nuwa://local/pangu-master/');
    sql = postgres(info.postgres.url, { max: 1, onnotice: () => {} });
    const text = awkwardTexts(13, 900_000, 1_000).get('plain.txt')!;
    const path = join(test.dir, 'text');
    await writeFile(path, text);
    await test.pangu.writeFile('/in/text', text, { chunkBytes: 128 * 1024, parents: true });
    expected = await referenceCounts([path]);
    await test.pangu.mkdir('/stream');
  }, SLOW);
  afterAll(async () => {
    await sql?.end();
    await member?.leave();
    await test?.stop();
  }, SLOW);

  it(
    'says at once what it cannot do: drain a node that there is not',
    async () => {
      const refused = { code: 1, stderr: expect.stringContaining('no chunk server node-9') };
      await expect(run(process.execPath, [FEITIAN, 'fs', 'drain', 'node-9', '--dir', test.dir])).rejects.toMatchObject(refused);
    },
    SLOW,
  );

  /** One job after the other, each with the right answer. */
  const countWords = () =>
    throughout(async (over) => {
      while (!over()) {
        const output = `/out/${++jobs}`;
        const result = await resultOf(await test.submit(wordCount(output)));
        expect(await outputLines(test.pangu, output)).toEqual(expected);
        expect(result.tasks.map!.instances).toBeGreaterThan(4);
      }
    });

  /** Files of all sizes one after the other, and one that is written to all the while. */
  const writeFiles = (seed: number) =>
    throughout(async (over) => {
      const random = seededRandom(seed);
      const bytesOf = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.int(256)));
      const hash = createHash('sha256');
      const growing = await test.pangu.open(`/stream/${seed}-growing`, 'wx', { chunkBytes: 1024 * 1024 });
      for (let i = 0; !over(); i++) {
        const line = bytesOf(1 + random.int(30_000));
        hash.update(line);
        await growing.write(line);
        if (i % 5 === 0) await growing.sync();
        const path = `/stream/${seed}-${i}`;
        const bytes = bytesOf(random.int(300_000));
        await test.pangu.writeFile(path, bytes, { chunkBytes: 65_536, replicas: i % 4 === 0 ? 1 : 3 });
        written.set(path, createHash('sha256').update(bytes).digest('hex'));
        await delay(30); // leaves the processors to what is looked at
      }
      await growing.close();
      written.set(`/stream/${seed}-growing`, hash.digest('hex'));
    });

  async function dayu(...args: string[]): Promise<{ id: string; result: NodesResult; progress: NodesProgress }> {
    const { stdout } = await run(process.execPath, [FEITIAN, 'dayu', ...args, '--wait', '--json', '--dir', test.dir], {
      maxBuffer: 1 << 24,
    });
    return JSON.parse(stdout);
  }
  const serverOf = async (node: string) => (await master.servers({})).servers.find((server) => server.node === node);

  async function expectAllThere(): Promise<void> {
    for (const [path, hash] of written)
      expect(
        createHash('sha256')
          .update(await test.pangu.readFile(path))
          .digest('hex'),
        path,
      ).toBe(hash);
    for (const [path] of written) {
      const { replicas } = await test.pangu.stat(path);
      // What a writer lost to a kill is mended within seconds.
      const short = async () => (await test.pangu.locate(path)).filter(({ nodes }) => nodes.length !== replicas);
      await expect.poll(short, { message: path, timeout: 30_000 }).toEqual([]);
    }
    expect(await master.underReplicated({ limit: 100 })).toEqual({ chunks: [], more: false });
  }

  /** What the tables count is on the disks. */
  async function expectFilesOfReplicas(): Promise<void> {
    const missing = async (): Promise<string[]> => {
      const counted =
        await sql`select r.node, r.chunk from pangu.replicas r join pangu.chunks c on c.id = r.chunk where c.state = 'sealed'`;
      const onDisk = new Set<string>();
      for (const { id } of (await test.cluster.refresh()).nodes)
        for (const name of await readdir(layoutOf(test.dir).dataOf('pangu-chunk', id), { recursive: true }))
          onDisk.add(`${id} ${basename(name)}`);
      return counted.map(({ node, chunk }) => `${node} ${chunk}`).filter((each) => !onDisk.has(each));
    };
    await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
  }

  async function expectNothingOf(node: string, ports: number[]): Promise<void> {
    const info = await test.cluster.refresh();
    expect(info.nodes.map(({ id }) => id)).not.toContain(node);
    expect(info.processes.filter((process) => process.node === node)).toEqual([]);
    expect((await run('ps', ['-eo', 'args'])).stdout).not.toContain(layoutOf(test.dir).nodeDirectory(node));
    for (const port of ports) expect(await isFree(port)).toBe(true);
    expect(existsSync(layoutOf(test.dir).nodeDirectory(node))).toBe(false);
    for (const table of ['replicas', 'copies', 'garbage'])
      expect(await sql.unsafe(`select * from pangu.${table} where node = '${node}'`), table).toEqual([]);
    for (const path of [`/nodes/${node}`, `/services/tubo/${node}`, `/services/pangu-chunk/${node}`, '/dayu/shrink'])
      await expect(member.nuwa.get(path), path).rejects.toMatchObject({ code: 'NoNode' });
  }
  const portsOf = async (node: string): Promise<number[]> =>
    (await test.cluster.status()).processes
      .filter((process) => process.node === node)
      .map(({ address }) => Number(address!.slice(address!.lastIndexOf(':') + 1)));

  it(
    'from 4 nodes to 6 and back while words are counted and files are written, and worker, master, chunk server and Tubo are killed on the way: no wrong answer, no byte lost, nothing left',
    async () => {
      const counting = countWords();
      const writing = writeFiles(1);
      const expanded = await dayu('expand', '--nodes', 'node-5:rack-a,node-6:rack-b');
      expect(expanded.result).toMatchObject({ outcome: 'done' });
      expect(expanded.progress).toMatchObject({ phase: 'done', nodes: { 'node-5': { state: 'done' }, 'node-6': { state: 'done' } } });
      // They take data and work.
      await expect.poll(async () => (await serverOf('node-5'))?.replicas ?? 0, { timeout: 30_000 }).toBeGreaterThan(0);
      const tubo = member.kuafu.service(tuboService, 'nuwa://local/tubo/node-5');
      await expect.poll(async () => (await tubo.attempts({})).attempts.length, { timeout: 60_000, interval: 50 }).toBeGreaterThan(0);

      const [ports, otherPorts] = [await portsOf('node-5'), await portsOf('node-6')];
      expect(ports).toHaveLength(2);
      const shrinking = dayu('shrink', 'node-5', 'node-6');
      shrinking.catch(() => {});
      await expect.poll(async () => (await serverOf('node-6'))?.draining, { timeout: 60_000, interval: 20 }).toBe(true);
      for (const [role, node] of [['worker'], ['pangu-master'], ['pangu-chunk', 'node-6'], ['tubo', 'node-6']] as const)
        await test.cluster.kill(role, node).catch((error) => expect(error).toMatchObject({ code: 'UnknownProcess' }));
      const shrunk = await shrinking;
      expect(shrunk.result).toMatchObject({ outcome: 'done', underReplicated: 0 });
      expect(shrunk.result.nodes['node-5']!.replicasMoved).toBeGreaterThan(0);
      await writing.end();
      await counting.end();
      expect(jobs).toBeGreaterThan(0);
      await expectAllThere();
      await expectNothingOf('node-5', ports);
      await expectNothingOf('node-6', otherPorts);
      await expectFilesOfReplicas();
      expect(await leftovers(test.pangu)).toEqual([]);
    },
    SLOW,
  );

  it(
    'stays as it is when the nodes may not leave, or not come, and says why at once',
    async () => {
      const refused = async (type: string, document: unknown): Promise<Error & { type: string }> => {
        const handle = await test.temporal.workflow.start(type, {
          taskQueue: FEITIAN_QUEUE,
          workflowId: `bad-${Math.random()}`,
          args: [document],
        });
        return handle.result().then(
          () => expect.unreachable('it was not refused'),
          (error) => error.cause,
        );
      };
      expect(await refused('dayuShrink', { nodes: ['node-9', 'node-1', 'node-2'] })).toMatchObject({
        type: 'InvalidShrink',
        message: expect.stringMatching(
          /nodes\[0\]: node-9 is not a node[\s\S]*2 nodes that are up would be left, and there are files that want 3 replicas/,
        ),
      });
      expect(await refused('dayuShrink', { nodes: [], colour: 'red' })).toMatchObject({
        type: 'InvalidShrink',
        message: expect.stringMatching(/nodes: must name at least one node[\s\S]*colour: is not a known field/),
      });
      expect(await refused('dayuExpand', { nodes: [{ id: 'node-1', rack: 'rack-a' }] })).toMatchObject({
        type: 'InvalidExpand',
        message: expect.stringContaining('nodes[0].id: node-1 belongs to the cluster already, in rack-a'),
      });
      expect((await test.cluster.refresh()).nodes).toHaveLength(4);
      expect((await master.servers({})).servers.filter(({ draining }) => draining)).toEqual([]);
    },
    SLOW,
  );
});
