import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { explainFailure } from '../../infra/cli/ui/failure.ts';
import { keyDirectory } from '../../services/zhongkui/client.ts';
import { openCluster, outputLines, type TestCluster } from '../helpers/cluster.ts';
import { type Ended, feitian } from '../infra/feitian.ts';

/** One cluster that asks who submits, with keys that `feitian key` made. */
let test: TestCluster;

beforeAll(async () => {
  test = await openCluster({ nodes: 1, requireSubmitter: true });
  await test.pangu.writeFile('/in/text', 'to be\n', { parents: true });
  await test.pangu.writeFile('/other/text', 'not yours\n', { parents: true });
  const rights = ['pangu://local/in:read', 'pangu://local/out:write', 'fuxi://local/quota/default:run', 'nuwa://local/services:read'];
  for (const args of [
    ['create', 'alice'],
    ['grant', 'alice', ...rights],
    ['create', 'carol'],
    ['grant', 'carol', 'pangu://local/in:read'],
  ])
    expect(await feitian(['key', ...args, '--dir', test.dir])).toMatchObject({ code: 0 });
}, 120_000);
afterAll(() => test?.stop());

const keyOf = (name: string) => ({ FEITIAN_IDENTITY: keyDirectory(join(test.dir, 'keys')).fileOf(`user/${name}`) });

const job = (name: string, from: string) => ({
  name,
  tasks: { map: { run: { command: ['cat'] } } },
  pipes: [
    { source: { filePattern: `pangu://local${from}` }, destination: { accessPoint: 'map:input' } },
    { source: { accessPoint: 'map:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
  ],
});

async function submitAs(who: string, document: { name: string }, id = document.name): Promise<Ended> {
  const file = join(test.dir, `${document.name}.json`);
  await writeFile(file, JSON.stringify(document));
  return await feitian(['job', 'submit', file, '--id', id, '--wait', '--dir', test.dir], keyOf(who));
}

it('a user’s job reads and writes what the user may', async () => {
  expect(await submitAs('alice', job('mine', '/in/*'))).toMatchObject({ code: 0, stderr: '' });
  expect(await outputLines(test.pangu, '/out/mine')).toEqual(['to be']);
}, 60_000);

it('and nothing else', async () => {
  const { code, stderr } = await submitAs('alice', job('theirs', '/other/*'));
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/PermissionDenied: user\/alice may not read pangu:\/\/local\/other/),
  });
  await expect(test.pangu.stat('/out/theirs')).rejects.toMatchObject({ code: 'ENOENT' });
}, 60_000);

it('a job that any Temporal client starts without a statement, or with that of another job, fails', async () => {
  const failureOf = async (document: unknown, id: string) =>
    explainFailure(
      await (await test.submit(document, id)).result().then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
  expect(await failureOf(job('nobodys', '/in/*'), 'nobodys')).toMatchObject({ type: 'SubmitterUnknown' });
  const [sent] = await argumentsOf('mine');
  expect(await failureOf({ ...job('stolen', '/other/*'), submitter: (sent as { submitter: unknown }).submitter }, 'stolen')).toMatchObject({
    type: 'SubmitterUnknown',
  });
}, 60_000);

it('who lacks the right to look for services is told so at once', async () => {
  const startedAtMs = performance.now();
  const { code, stderr } = await feitian(['fs', 'ls', '/in', '--dir', test.dir], keyOf('carol'));
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/PermissionDenied.*nuwa:\/\/local\/services/) });
  // Of half a minute that it waited for an outage to end; the command's own start is in it.
  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
}, 30_000);

it('the issuer that was revoked for a reason comes back by the three commands that are told', async () => {
  const run = (...args: string[]): Promise<Ended> => feitian([...args, '--dir', test.dir]);
  expect(await run('key', 'revoke', 'issuer', '--force')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/ \(issuer\) is revoked/),
  });
  await expect.poll(async () => (await run('fs', 'ls', '/in')).code, { timeout: 40_000 }).toBe(1);
  expect(await run('status')).toMatchObject({ code: 1, stderr: expect.stringMatching(/issuer's key \S+ is revoked/) });
  expect(await run('key', 'rotate', 'issuer')).toMatchObject({ code: 0 });
  expect(await run('down')).toMatchObject({ code: 0 });
  expect(await run('up', '--no-monitoring', '--nodes', '1', '--racks', '1', '--together')).toMatchObject({ code: 0 });
  try {
    expect(await run('fs', 'ls', '/in')).toMatchObject({ code: 0, stdout: expect.stringContaining('text') });
    expect(await run('status')).toMatchObject({ code: 0 });
  } finally {
    await run('down');
  }
}, 120_000);

/** What a workflow was started with. */
async function argumentsOf(workflowId: string): Promise<unknown[]> {
  const { events } = await test.temporal.workflow.getHandle(workflowId).fetchHistory();
  const payloads = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  return payloads.map(({ data }) => JSON.parse(Buffer.from(data!).toString()));
}
