import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureTemporalCli } from '../../infra/setup/temporal.ts';
import { leftovers, outputLines, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { awkwardTexts, referenceCounts } from '../helpers/word-count.ts';

const run = promisify(execFile);
const ROOT = new URL('../..', import.meta.url).pathname;
const EXAMPLES = join(ROOT, 'infra', 'examples');

/** Small chunks, so that lines and words lie across many chunk and split borders. */
const CHUNK_BYTES = 64 * 1024;

export const wordCountSuite = (cluster: () => TestCluster) =>
  describe('word count on a real cluster', () => {
    let test: TestCluster;
    let expected: string[];

    beforeAll(async () => {
      test = cluster();
      const texts = join(test.dir, 'texts');
      await mkdir(texts);
      const paths: string[] = [];
      for (const [name, bytes] of awkwardTexts(7, 600_000, 5 * CHUNK_BYTES)) {
        await writeFile(join(texts, name), bytes);
        paths.push(join(texts, name));
        await test.pangu.writeFile(`/books/${name}`, bytes, { chunkBytes: CHUNK_BYTES, parents: true });
      }
      expected = await referenceCounts(paths);
    }, 120_000);

    async function document(file: string, output: string): Promise<Record<string, unknown>> {
      const job = JSON.parse(await readFile(join(EXAMPLES, file), 'utf8'));
      job.pipes.find((pipe: { destination: { filePattern?: string } }) => pipe.destination.filePattern).destination.filePattern =
        `pangu://local${output}`;
      return job;
    }

    it('gives the counts of tr, sort and uniq in the C locale, byte for byte (module)', async () => {
      const handle = await test.submit(await document('wordcount.json', '/out/module'));
      const result = await resultOf(handle);
      expect(await outputLines(test.pangu, '/out/module')).toEqual(expected);
      expect(result.tasks.map!.bytesIn).toBeGreaterThan(1_000_000);
      expect(result.tasks.map!.instances).toBeGreaterThan(10);
      expect(await leftovers(test.pangu)).toEqual([]);
      const names: string[] = [];
      for await (const entry of test.pangu.readdir('/out/module')) names.push(entry.path.split('/').at(-1)!);
      expect(names).toEqual(Array.from({ length: 8 }, (_, i) => `part-0000${i}`));
    }, 90_000);

    it('gives the same when map and reduce are commands in another language', async () => {
      await resultOf(await test.submit(await document('wordcount-awk.json', '/out/command')));
      expect(await outputLines(test.pangu, '/out/command')).toEqual(expected);
    }, 90_000);

    it('gives the same however it is submitted: temporal CLI, plain client, feitian', async () => {
      const { address, namespace } = test.cluster.info.temporal;
      const input = async (name: string): Promise<string> => {
        const path = join(test.dir, `${name}.json`);
        await writeFile(path, JSON.stringify(await document('wordcount.json', `/out/${name}`)));
        return path;
      };

      const { path: temporal } = await ensureTemporalCli();
      const common = ['--address', address, '--namespace', namespace];
      const byCli = run(temporal, [
        'workflow',
        'start',
        '--type',
        'fuxiJob',
        '--task-queue',
        'feitian',
        '--workflow-id',
        'by-cli',
        '--input-file',
        await input('by-cli'),
        ...common,
      ]).then(() => run(temporal, ['workflow', 'result', '--workflow-id', 'by-cli', ...common]));

      // A program that knows nothing of this repository.
      const plain = join(test.dir, 'plain.mjs');
      await writeFile(
        plain,
        `import { createRequire } from 'node:module';
       import { readFileSync } from 'node:fs';
       const { Client, Connection } = createRequire(${JSON.stringify(join(ROOT, 'package.json'))})('@temporalio/client');
       const connection = await Connection.connect({ address: ${JSON.stringify(address)} });
       const client = new Client({ connection });
       const document = JSON.parse(readFileSync(process.argv[2], 'utf8'));
       await client.workflow.execute('fuxiJob', { taskQueue: 'feitian', workflowId: 'by-client', args: [document] });
       await connection.close();`,
      );
      const byClient = run(process.execPath, [plain, await input('by-client')]);

      const feitian = join(ROOT, 'infra', 'bin', 'feitian.mjs');
      const byFeitian = run(process.execPath, [feitian, 'job', 'submit', await input('by-feitian'), '--wait', '--dir', test.dir]);
      await Promise.all([byCli, byClient, byFeitian]);

      for (const name of ['by-cli', 'by-client', 'by-feitian'])
        expect(await outputLines(test.pangu, `/out/${name}`), name).toEqual(expected);
    }, 120_000);
  });
