import { afterAll, beforeAll, expect, test } from 'vitest';
import { attemptPath, type TaskInput, type TaskOutput } from '../../../../services/fuxi/contract.ts';
import { failureOf, type NodeUnderTest, okay, startNodeUnderTest } from './node-under-test.ts';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await startNodeUnderTest();
});
afterAll(() => node?.stop());

const MAPS = 12;
const emitOne = { command: ['sh', '-c', 'printf "key\\t%s\\n" "$FEITIAN_INSTANCE"'] };

/** A job whose map is done, and what its reduce reads. */
async function mapped() {
  const job = await node.job();
  const output: TaskOutput = { kind: 'shuffle', directory: await job.directory('map'), partitions: 1 };
  okay(await job.run({ task: 'map', program: emitOne, output, instances: Array.from({ length: MAPS }, (_, i) => i) }));
  const winners = { instances: MAPS, first: 1, exceptions: {} };
  const input: TaskInput = { kind: 'shuffle', from: [{ task: 'map', directory: output.directory, winners }] };
  return { job, input, directory: output.directory };
}

const reduce = { command: ['cat'] };

test('outputs lie on one disk, that of the node that made them', async () => {
  const { directory } = await mapped();
  for (const { nodes } of await node.pangu.locate(attemptPath(directory, 0, 1))) expect(nodes).toEqual(['n1']);
});

test('outputs that are gone are all named', async () => {
  const { job, input, directory } = await mapped();
  for (const instance of [3, 7, 11]) await node.pangu.unlink(attemptPath(directory, instance, 1));
  const failure = failureOf(await job.run({ task: 'reduce', program: reduce, input }));
  expect(failure).toMatchObject({ code: 'ShuffleLost', lost: { task: 'map', instances: [3, 7, 11] } });
  expect(failure.message).toMatch(/^the outputs of map 3, 7, 11 are lost: ENOENT/);
  // What was removed does not come back, so there is no waiting for it.
  expect(failure.ms).toBeLessThan(6_000);
});

test('an output that is torn counts as lost', async () => {
  const { job, input, directory } = await mapped();
  await node.pangu.writeFile(attemptPath(directory, 5, 1), 'not what a map writes');
  expect(failureOf(await job.run({ task: 'reduce', program: reduce, input }))).toMatchObject({
    code: 'ShuffleLost',
    lost: { task: 'map', instances: [5] },
  });
});

test('a chunk server that comes back in time costs nothing but time; one that stays away costs what only it had', async () => {
  const { job, input } = await mapped();
  await node.cluster.killChunkServer('n1');
  const waiting = job.run({ task: 'reduce', program: reduce, input });
  setTimeout(() => void node.cluster.startChunkServer('n1'), 1_500);
  expect(okay(await waiting)).toMatchObject([{ recordsIn: MAPS }]);

  await node.cluster.killChunkServer('n1');
  const failure = failureOf(await job.run({ task: 'reduce', program: reduce, input, instances: [{ instance: 0, attempt: 2 }] }));
  expect(failure).toMatchObject({ code: 'ShuffleLost', lost: { task: 'map', instances: Array.from({ length: MAPS }, (_, i) => i) } });
  // All of them wait together, not one after the other.
  expect(failure.ms).toBeLessThan(25_000);
  await node.cluster.startChunkServer('n1');
}, 60_000);
