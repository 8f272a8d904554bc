import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  leftovers,
  nuwaLeader,
  openCluster,
  outputLines,
  processesOf,
  progressOf,
  resultOf,
  type TestCluster,
} from '../helpers/cluster.ts';
import { awkwardTexts, sortedLines } from '../helpers/word-count.ts';

/**
 * One process after the other is killed with SIGKILL in the middle of a job, and started again by the supervisor. The job must end with the right
 * output and leave nothing behind. Commands that take their time make sure that the kill comes in the middle.
 */
const MAP = ['sh', '-c', 'sleep 0.7; exec tr -s "[:space:]" "\\n"'];
const REDUCE = ['sh', '-c', 'sleep 0.7; exec cut -f1'];

function job(name: string) {
  return {
    name,
    tasks: { map: { run: { command: MAP } }, reduce: { run: { command: REDUCE }, instances: 6 } },
    pipes: [
      { source: { filePattern: 'pangu://local/in/*', splitBytes: 100_000 }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}

describe('a process killed in mid-job', () => {
  let test: TestCluster;
  let expected: string[];

  beforeAll(async () => {
    test = await openCluster({ nuwaServers: 3 });
    const text = awkwardTexts(11, 1_200_000, 1_000).get('plain.txt')!;
    await test.pangu.writeFile('/in/text', text, { chunkBytes: 256 * 1024, parents: true });
    expected = sortedLines([Buffer.from(text.toString('latin1').replace(/[ \t\n\v\f\r]+/g, '\n'), 'latin1')]);
  }, 120_000);
  afterAll(() => test?.stop());

  async function killInMidJob(role: string, of?: string): Promise<void> {
    const name = `kill-${role}`;
    const handle = await test.submit(job(name), name);
    await expect
      .poll(async () => (await progressOf(handle)).tasks.map?.running ?? 0, { timeout: 30_000, interval: 100 })
      .toBeGreaterThan(0);
    const { pid } = await test.cluster.kill(role, of);
    expect(pid).toBeGreaterThan(0);
    await resultOf(handle);
    expect(await outputLines(test.pangu, `/out/${name}`)).toEqual(expected);
    expect(await leftovers(test.pangu)).toEqual([]);
    await expect.poll(() => processesOf(name), { timeout: 10_000 }).toEqual([]);
    await test.cluster.awaitRestart(role, of, pid!);
  }

  it.each([
    ['tubo', 'node-2'],
    ['pangu-chunk', 'node-3'],
    ['pangu-master', undefined],
    ['fuxi-master', undefined],
    ['worker', undefined],
    ['temporal', undefined],
  ])('%s: the job ends with the right output and no leftovers', killInMidJob, 120_000);

  it('the leader of nuwa: the job ends with the right output, and no session was lost', async () => {
    const { children: before } = await test.nuwa.list('/services/tubo');
    await killInMidJob('nuwa', await nuwaLeader(test.cluster.info));
    const { children: after } = await test.nuwa.list('/services/tubo');
    // The same nodes, not made again: nobody's session expired.
    expect(after.map(({ createRevision }) => createRevision)).toEqual(before.map(({ createRevision }) => createRevision));
    expect(test.nuwa.session.state).toBe('live');
  }, 120_000);

  it('a whole node: it stays away, its shuffle outputs are made again', async () => {
    const handle = await test.submit(job('lost-node'), 'lost-node');
    await expect
      .poll(async () => (await progressOf(handle)).tasks.reduce?.running ?? 0, { timeout: 60_000, interval: 100 })
      .toBeGreaterThan(0);
    await test.cluster.holdNode('node-4');
    await resultOf(handle);
    expect(await outputLines(test.pangu, '/out/lost-node')).toEqual(expected);
    expect(await leftovers(test.pangu)).toEqual([]);
    await expect.poll(() => processesOf('lost-node'), { timeout: 10_000 }).toEqual([]);
    await test.cluster.releaseNode('node-4');
  }, 120_000);
});
