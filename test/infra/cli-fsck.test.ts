import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { register } from '../../infra/cli/commands/fs.ts';
import { describeWork, workLine } from '../../infra/cli/ui/work-view.ts';
import type { WorkProgress } from '../../services/pangu/work-contract.ts';
import { openStage, type Ran, runVerbs, type Stage } from './cli-stage.ts';

describe('feitian fs fsck, locate, ledger and healing', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
    await writeFile(join(stage.dir, 'text'), 'x'.repeat(100_000));
    await feitian('put', join(stage.dir, 'text'), '/text');
  });
  afterAll(() => stage?.stop());
  const feitian = (verb: string, ...rest: string[]): Promise<Ran> => runVerbs([register], ['fs', verb, '--dir', stage.dir, ...rest]);

  test('what is whole is clean, read back or not', async () => {
    expect(await feitian('fsck')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^1 files, 97.7 KiB, 1 chunks, \d replicas\nclean\n$/),
    });
    expect((await feitian('fsck', '/text', '--verify')).stdout).toContain('read back\nclean');
    expect(JSON.parse((await feitian('fsck', '--json')).stdout)).toMatchObject({ clean: true, files: 1, problems: [] });
  });

  test('a path that is not there is an error with a hint', async () => {
    expect(await feitian('fsck', '/nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('feitian fs ls') });
  });

  test('where a file lies', async () => {
    const [chunk] = JSON.parse((await feitian('locate', '/text', '--json')).stdout) as { length: number; nodes: { up: boolean }[] }[];
    expect(chunk).toMatchObject({ length: 100_000 });
    expect(chunk!.nodes.every(({ up }) => up)).toBe(true);
    expect((await feitian('locate', '/text')).stdout).toMatch(/offset +length +chunk +nodes\n +0 +100,000/);
  });

  test('the ledger of a cluster that lost nothing is empty, and asks for what makes sense', async () => {
    expect(await feitian('ledger', '--since', '1h', '--kind', 'nodeDead')).toMatchObject({ code: 0, stdout: '' });
    expect(JSON.parse((await feitian('ledger', '--json')).stdout)).toEqual([]);
    expect((await feitian('ledger', '--since', 'yesterday')).code).toBe(2);
    expect((await feitian('ledger', '--kind', 'nothing')).code).toBe(2);
  });

  test('how the cluster heals can be changed, one thing at a time', async () => {
    expect(JSON.parse((await feitian('healing', '--json')).stdout)).toMatchObject({ deadAfterMs: 600_000, copiesPerNode: 2 });
    expect(JSON.parse((await feitian('healing', '--set', 'deadAfterMs=1000', '--json')).stdout)).toMatchObject({
      deadAfterMs: 1_000,
      copiesPerNode: 2,
    });
    expect((await feitian('healing', '--set', 'speed=1')).code).toBe(2);
    expect((await feitian('healing', '--set', 'deadAfterMs=soon')).code).toBe(2);
    expect((await feitian('balance', '--rate', 'fast')).code).toBe(2);
  });
});

test('work is told in words', () => {
  const progress: WorkProgress = {
    kind: 'drain',
    phase: 'running',
    replicas: 2,
    bytes: 2_048,
    replicasLeft: 1,
    bytesLeft: 1_024,
    bytesPerSecond: 1_048_576,
    message: 'n1: 1 replica: are being written to',
    startedAtMs: 0,
  };
  expect(workLine(progress)).toBe('running: 2 replicas, 2 KiB; 1 replicas, 1 KiB left (n1: 1 replica: are being written to)');
  const nodes = [{ id: 'n1', rack: 'r1', up: false, replicas: 3, bytes: 3_072, target: 0 }];
  expect(describeWork(progress, { kind: 'drain', replicas: 3, bytes: 3_072, nodes, byCopies: {}, steps: [] }, 90_000).split('\n')).toEqual([
    'node       rack  replicas  bytes  to hold',
    'n1 (away)  r1           3  3 KiB      0 B',
    '',
    'drain running: n1: 1 replica: are being written to, 1 min 30 s',
    '2 replicas, 2 KiB; 1 replicas, 1 KiB left',
    'at up to 1 MiB a second',
  ]);
  expect(describeWork({ ...progress, phase: 'done', message: '', replicasLeft: 0, bytesLeft: 0, finishedAtMs: 5_000 }, undefined)).toBe(
    'drain done, 5.0 s\n2 replicas, 2 KiB\nat up to 1 MiB a second',
  );
});
