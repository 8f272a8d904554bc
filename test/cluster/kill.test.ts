import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
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
 * output and leave nothing behind. So that all of it happens in the middle, every third instance waits for the same file, `<gate>-0` to `<gate>-2`: it goes
 * on with its work while the one that was just killed is still away.
 */
const GATES = [0, 1, 2];

function job(name: string, gates: { map?: string; reduce?: string }) {
  const command = (gate: string | undefined, then: string): string[] => {
    const wait = gate ? `until [ -e "${gate}-$((FEITIAN_INSTANCE % ${GATES.length}))" ]; do sleep 0.1; done; ` : '';
    return ['sh', '-c', `${wait}exec ${then}`];
  };
  return {
    name,
    tasks: {
      map: { run: { command: command(gates.map, 'tr -s "[:space:]" "\\n"') } },
      reduce: { run: { command: command(gates.reduce, 'cut -f1') }, instances: 4 },
    },
    pipes: [
      { source: { filePattern: 'pangu://local/in/*', splitBytes: 200_000 }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}

describe('a process killed in mid-job', () => {
  let test: TestCluster;
  let expected: string[];

  beforeAll(async () => {
    test = await openCluster({ nuwaServers: 3, together: false });
    const text = awkwardTexts(11, 1_200_000, 1_000).get('plain.txt')!;
    await test.pangu.writeFile('/in/text', text, { chunkBytes: 256 * 1024, parents: true });
    expected = sortedLines([Buffer.from(text.toString('latin1').replace(/[ \t\n\v\f\r]+/g, '\n'), 'latin1')]);
  }, 120_000);
  afterAll(() => test?.stop());

  const running = (handle: WorkflowHandle, task: string) =>
    expect.poll(async () => (await progressOf(handle)).tasks[task]?.running ?? 0, { timeout: 60_000, interval: 100 }).toBeGreaterThan(0);

  async function endsWell(handle: WorkflowHandle): Promise<void> {
    await resultOf(handle);
    expect(await outputLines(test.pangu, `/out/${handle.workflowId}`)).toEqual(expected);
    expect(await leftovers(test.pangu)).toEqual([]);
    await expect.poll(() => processesOf(handle.workflowId), { timeout: 10_000 }).toEqual([]);
  }

  it.each<[string, string, [string, string?][]]>([
    ['what maps', 'a Tubo, a chunk server, the master of Pangu', [['tubo', 'node-2'], ['pangu-chunk', 'node-3'], ['pangu-master']]],
    ['what keeps', 'FuxiMaster, the worker, the Temporal server with its database', [['fuxi-master'], ['worker'], ['temporal']]],
  ])(
    '%s a job, one after the other: %s; it ends with the right output and no leftovers',
    async (what, _who, victims) => {
      const name = what.replace(' ', '-');
      const gate = join(test.dir, name);
      const handle = await test.submit(job(name, { map: gate }), name);
      for (const [turn, [role, of]] of victims.entries()) {
        await running(handle, 'map');
        const { pid } = await test.cluster.kill(role, of);
        await writeFile(`${gate}-${turn}`, '');
        await test.cluster.awaitRestart(role, of, pid!);
      }
      await endsWell(handle);
    },
    180_000,
  );

  it('the leader of nuwa, and then a whole node that stays away: no session was lost, and the shuffle outputs are made again', async () => {
    const { children: before } = await test.nuwa.list('/services/tubo');
    const gate = join(test.dir, 'lost-node');
    const handle = await test.submit(job('lost-node', { reduce: gate }), 'lost-node');
    await running(handle, 'reduce');
    const leader = await nuwaLeader(test.cluster.info);
    const { pid } = await test.cluster.kill('nuwa', leader);
    await writeFile(`${gate}-0`, '');
    await test.cluster.awaitRestart('nuwa', leader, pid!);
    const { children: after } = await test.nuwa.list('/services/tubo');
    // The same nodes, not made again: nobody's session expired.
    expect(after.map(({ createRevision }) => createRevision)).toEqual(before.map(({ createRevision }) => createRevision));
    expect(test.nuwa.session.state).toBe('live');

    await test.cluster.holdNode('node-4');
    for (const turn of GATES) await writeFile(`${gate}-${turn}`, '');
    await endsWell(handle);
    await test.cluster.releaseNode('node-4');
  }, 180_000);
});
