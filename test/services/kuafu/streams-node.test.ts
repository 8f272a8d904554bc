import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createKuafuClient, readableOf, writableOf } from '../../../services/kuafu/client.ts';
import { defineService, type KuafuServer, type ServiceClient, streamMethod } from '../../../services/kuafu/contract.ts';
import { totals } from '../../../services/kuafu/meter.ts';
import { implement, serve } from '../../../services/kuafu/server.ts';
import { StreamerError } from './streamer.ts';

/** Streams as Node has them, at both ends of a call. */
const filesService = defineService('files', {
  errors: StreamerError,
  methods: {
    put: streamMethod({
      request: z.object({ max: z.number().default(1e9) }),
      response: z.object({ sha256: z.string() }),
      up: z.void(),
      access: 'open',
    }),
    get: streamMethod({
      request: z.object({ bytes: z.number() }),
      response: z.void(),
      down: z.object({ length: z.number() }),
      access: 'open',
    }),
  },
});

const client = createKuafuClient();
let server: KuafuServer;
let files: ServiceClient<typeof filesService>;
let folder: string;
/** What `get` has made for its callers. */
let madeBytes = 0;
let getEnded: Promise<unknown>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kuafu-streams-'));
  const implementation = implement(filesService, {
    put: async ({ max }, { incoming }) => {
      const hash = createHash('sha256');
      let bytes = 0;
      await pipeline(readableOf(incoming), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > max) throw new StreamerError('Enough', 'of this');
          hash.update(chunk);
        }
      });
      return { sha256: hash.digest('hex') };
    },
    get: async ({ bytes }, context) => {
      madeBytes = 0;
      const source = new Readable({
        read() {
          const length = Math.min(50_000, bytes - madeBytes);
          madeBytes += length;
          this.push(length > 0 ? Buffer.alloc(length, 5) : null);
        },
      });
      const sending = pipeline(
        source,
        writableOf(context, ({ length }) => ({ length })),
      );
      getEnded = sending.catch((error) => error);
      await sending;
    },
  });
  server = await serve({ address: 'tcp://127.0.0.1:0', implementations: [implementation] });
  files = client.service(filesService, server.address);
});

afterAll(async () => {
  await client.close();
  await server.close({ graceMs: 0 });
  await rm(folder, { recursive: true });
  expect(totals).toMatchObject({ callsInFlight: 0, unreadBytes: 0 });
});

test('a file goes through pipelines to the handler, and the pipeline waits for its reply', async () => {
  const content = randomBytes(9_000_000);
  const path = join(folder, 'up');
  await writeFile(path, content);
  const call = files.put({});
  await pipeline(createReadStream(path, { highWaterMark: 300_000 }), writableOf(call));
  expect(await call.reply).toEqual({ sha256: createHash('sha256').update(content).digest('hex') });
});

test('what comes goes through pipelines to a file', async () => {
  const path = join(folder, 'down');
  const call = files.get({ bytes: 5_000_000 });
  await pipeline(readableOf(call), createGzip(), createWriteStream(path));
  expect(gunzipSync(await readFile(path)).equals(Buffer.alloc(5_000_000, 5))).toBe(true);
  await call.reply;
});

test('a chunk larger than a message is sent in several', async () => {
  const content = randomBytes(11 * 1024 * 1024);
  const call = files.put({});
  await pipeline(Readable.from([content], { objectMode: false }), writableOf(call));
  expect(await call.reply).toEqual({ sha256: createHash('sha256').update(content).digest('hex') });
});

test('a pipeline whose sink stands still stops the handler at the other end', async () => {
  const call = files.get({ bytes: 1_000_000_000 });
  let release: (() => void) | undefined;
  const sink = new Writable({ write: (_chunk, _encoding, done) => void (release = done) });
  const piping = pipeline(readableOf(call), sink);
  piping.catch(() => {});
  let before = -1;
  await expect.poll(() => release !== undefined && before === (before = madeBytes), { interval: 50 }).toBe(true);
  expect(madeBytes).toBeLessThan(2_000_000);
  sink.destroy(new Error('the disk is full'));
  await expect(piping).rejects.toThrow('the disk is full');
  await expect(call.reply).rejects.toMatchObject({ code: 'Cancelled' });
  expect(await getEnded).toMatchObject({ code: 'Cancelled' });
});

test("a handler's error fails the pipeline that sends to it", async () => {
  const call = files.put({ max: 100_000 });
  const endless = new Readable({ read: () => void endless.push(Buffer.alloc(30_000)) });
  await expect(pipeline(endless, writableOf(call))).rejects.toMatchObject({ code: 'Enough' });
  expect(endless.destroyed).toBe(true);
});

test('a source that fails cancels the call', async () => {
  const call = files.put({});
  const source = new Readable({ read() {} });
  const piping = pipeline(source, writableOf(call));
  source.push(Buffer.alloc(10));
  source.destroy(new Error('the disk is gone'));
  await expect(piping).rejects.toThrow('the disk is gone');
  await expect(call.reply).rejects.toMatchObject({ code: 'Cancelled', cause: { message: 'the disk is gone' } });
});

test('a writable nobody writes to hears that its call is over', async () => {
  const controller = new AbortController();
  const writable = writableOf(files.put({}, { signal: controller.signal }));
  const failed = once(writable, 'error');
  controller.abort();
  expect((await failed)[0]).toMatchObject({ code: 'Cancelled' });
});
