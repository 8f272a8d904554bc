import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import postgres from 'postgres';
import { beforeAll, describe, expect, it } from 'vitest';
import { failureOf, leftovers, type TestCluster } from '../helpers/cluster.ts';

const run = promisify(execFile);
const FEITIAN = new URL('../../infra/bin/feitian.mjs', import.meta.url).pathname;

export const failuresSuite = (cluster: () => TestCluster) =>
  describe('a job that cannot succeed fails clearly', () => {
    let test: TestCluster;
    beforeAll(async () => {
      test = cluster();
      await test.pangu.writeFile('/in/text', 'one two\nthree\n', { parents: true });
      await test.pangu.writeFile('/large/text', Buffer.alloc(5_000_000, 'x'), { parents: true });
    }, 120_000);

    const job = (name: string, command: string[], input = 'pangu://local/in/*', output = `pangu://local/out/${name}`) => ({
      name,
      tasks: { map: { run: { command }, retry: { maxAttempts: 2 } } },
      pipes: [
        { source: { filePattern: input }, destination: { accessPoint: 'map:input' } },
        { source: { accessPoint: 'map:output' }, destination: { filePattern: output } },
      ],
    });

    it.each<[string, () => unknown, string, RegExp]>([
      [
        'an input path that is not there',
        () => job('no-input', ['cat'], 'pangu://local/nowhere/*'),
        'InputNotFound',
        /pangu:\/\/local\/nowhere/,
      ],
      [
        'an input path that goes through a file',
        () => job('through-file', ['cat'], 'pangu://local/in/text/deeper'),
        'InputNotFound',
        /in\/text\/deeper/,
      ],
      ['a command that is not there', () => job('no-command', ['no-such-program-42']), 'ProgramNotFound', /no-such-program-42/],
      [
        'a command that exits 3',
        () => job('exit-3', ['sh', '-c', 'echo the disk is upside down >&2; exit 3']),
        'ProgramFailed',
        /exit code 3[\s\S]*upside down/,
      ],
      ['output that exists already', () => job('exists', ['cat'], 'pangu://local/in/*', 'pangu://local/in'), 'OutputExists', /local\/in/],
      [
        'an invalid document',
        () => ({ name: 'bad', tasks: { map: { run: { command: [] }, cpus: 1 } } }),
        'InvalidJob',
        /tasks\.map\.run\.command[\s\S]*tasks\.map\.cpus/,
      ],
      [
        'a document that names what every object has',
        () => ({
          name: 'proto',
          tasks: { map: { run: { command: ['cat'] } } },
          pipes: [{ source: { accessPoint: 'constructor:output' }, destination: { accessPoint: 'map:input' }, shuffle: 'hash' }],
        }),
        'InvalidJob',
        /there is no task "constructor"/,
      ],
      [
        'more splits than anybody can plan',
        () => {
          const many = job('splits', ['cat'], 'pangu://local/large/*');
          return { ...many, pipes: [{ ...many.pipes[0], source: { filePattern: 'pangu://local/large/*', splitBytes: 1 } }, many.pipes[1]] };
        },
        'InvalidJob',
        /would have 5000000 instances; at most 20000 are allowed/,
      ],
    ])(
      '%s',
      async (_what, document, type, message) => {
        const name = (document() as { name: string }).name;
        const handle = await test.submit(document(), name);
        const failure = await failureOf(handle);
        expect(failure.type).toBe(type);
        expect(failure.message).toMatch(message);
        await expect(test.pangu.stat(`/out/${name}`)).rejects.toMatchObject({ code: 'ENOENT' });
        expect(await leftovers(test.pangu)).toEqual([]);
        const shown = await run(process.execPath, [FEITIAN, 'job', 'status', name, '--dir', test.dir]);
        expect(shown.stdout).toMatch(message);
      },
      60_000,
    );

    it('a job that needs more than any node has waits, says so, and can be cancelled', async () => {
      const large = job('large', ['cat']);
      const document = { ...large, tasks: { map: { ...large.tasks.map, resources: { cpu: 64 } } } };
      const handle = await test.submit(document, 'large');
      const waits = async () => (await handle.query<{ tasks: Record<string, { waits?: string }> }>('progress')).tasks.map?.waits;
      await expect.poll(waits, { timeout: 30_000 }).toMatch(/needs cpu 64.*more than any node has/);
      const shown = await run(process.execPath, [FEITIAN, 'job', 'status', 'large', '--dir', test.dir]);
      expect(shown.stdout).toMatch(/map waits: needs cpu 64/);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
    }, 60_000);

    it('is done, and not cancelled, when it is asked to end while its output is being published', async () => {
      const sql = postgres(test.cluster.info.postgres.url, { max: 1, onnotice: () => {} });
      let handle!: WorkflowHandle;
      try {
        await test.pangu.mkdir('/out', { recursive: true });
        await sql.begin(async (tx) => {
          await tx`select id from pangu.inodes where name = 'out' for update`; // holds the publication up
          handle = await test.submit(job('late', ['cat']), 'late');
          await expect.poll(async () => (await handle.query<{ phase: string }>('progress')).phase, { timeout: 30_000 }).toBe('publishing');
          await handle.cancel();
        });
        await handle.result();
        expect((await test.pangu.readFile('/out/late/part-00000')).toString()).toBe('one two\nthree\n');
      } finally {
        await sql.end();
      }
    }, 60_000);

    it('is traced by the id of its run, from the workflow to the program (W3C Trace Context)', async () => {
      const handle = await test.submit(job('traced', ['sh', '-c', 'cat >/dev/null; echo "$TRACEPARENT"']), 'traced');
      await handle.result();
      const { runId } = await handle.describe();
      const told = (await test.pangu.readFile('/out/traced/part-00000')).toString();
      expect(told).toMatch(new RegExp(`^00-${runId.replaceAll('-', '')}-[0-9a-f]{16}-01\n$`));
    }, 60_000);

    it('leaves nothing of a job that is cancelled', async () => {
      const handle = await test.submit(job('cancelled', ['sh', '-c', 'sleep 100']), 'cancelled');
      await expect
        .poll(async () => (await handle.query<{ tasks: Record<string, { running: number }> }>('progress')).tasks.map?.running ?? 0, {
          timeout: 30_000,
        })
        .toBe(1);
      await run(process.execPath, [FEITIAN, 'job', 'cancel', 'cancelled', '--dir', test.dir]);
      await expect(handle.result()).rejects.toThrow();
      expect(await leftovers(test.pangu)).toEqual([]);
      await expect.poll(async () => (await run('ps', ['-eo', 'args'])).stdout.includes('sleep 100'), { timeout: 10_000 }).toBe(false);
    }, 60_000);
  });
