import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createKuafuClient } from '../../services/kuafu/client.ts';
import { defineService, KuafuError, streamMethod } from '../../services/kuafu/contract.ts';
import { implement, serve } from '../../services/kuafu/server.ts';

/**
 * A stream of 10 GiB, in 1 MiB messages, to a reader in another process that takes a little, stands still for some seconds, then reads the rest slowly at
 * first and at full speed in the end. Memory of both sides stays bounded, and all of it arrives.
 */
const GIB = 10;
const STALL_MS = 5_000;
const MIB = 1024 * 1024;
/** Beyond what a process has anyway: two windows, what the socket holds, and what the garbage collector has not come to yet. */
const GROWTH_BYTES_MAX = 300 * MIB;

const bulkService = defineService('bulk', {
  errors: KuafuError,
  methods: {
    put: streamMethod({
      request: z.object({ stallMs: z.number() }),
      response: z.object({ bytes: z.number(), rssBefore: z.number(), rssMax: z.number() }),
      up: z.void(),
      access: 'open',
    }),
  },
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function read(): Promise<void> {
  const implementation = implement(bulkService, {
    put: async ({ stallMs }, { incoming }) => {
      const rssBefore = process.memoryUsage.rss();
      let rssMax = rssBefore;
      let bytes = 0;
      let messages = 0;
      for await (const { attachment } of incoming) {
        bytes += attachment.length;
        if (++messages === 10) await sleep(stallMs);
        if (messages > 10 && messages < 110) await sleep(stallMs / 200);
        if (messages % 16 === 0) rssMax = Math.max(rssMax, process.memoryUsage.rss());
      }
      return { bytes, rssBefore, rssMax };
    },
  });
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [implementation] });
  process.send!({ address: server.address });
  process.on('disconnect', () => process.exit());
}

async function write(say: (line: string) => void): Promise<void> {
  const reader = fork(fileURLToPath(import.meta.url), ['reader'], { execArgv: ['--import', 'tsx'] });
  const [{ address }] = (await once(reader, 'message')) as [{ address: string }];
  const client = createKuafuClient();
  const call = client.service(bulkService, address).put({ stallMs: STALL_MS });
  const rssBefore = process.memoryUsage.rss();
  let rssMax = rssBefore;
  let sentBytes = 0;
  let stalledAtBytes = 0;
  setTimeout(() => {
    stalledAtBytes = sentBytes;
  }, STALL_MS * 0.8);
  const startMs = performance.now();
  for (let i = 0; i < GIB * 1024; i++) {
    await call.send(undefined, Buffer.allocUnsafe(MIB));
    sentBytes += MIB;
    if (i % 16 === 0) rssMax = Math.max(rssMax, process.memoryUsage.rss());
  }
  call.end();
  const reply = await call.reply;
  const seconds = (performance.now() - startMs) / 1000;
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  say(`${mib(reply.bytes)} in ${seconds.toFixed(1)} s; while the reader stood still the writer had sent ${mib(stalledAtBytes)}`);
  say(`writer: ${mib(rssBefore)} resident before, ${mib(rssMax)} at the most; reader: ${mib(reply.rssBefore)}, ${mib(reply.rssMax)}`);
  await client.close();
  reader.disconnect();
  const bad =
    reply.bytes !== GIB * 1024 * MIB ||
    stalledAtBytes > 32 * MIB ||
    rssMax - rssBefore > GROWTH_BYTES_MAX ||
    reply.rssMax - reply.rssBefore > GROWTH_BYTES_MAX;
  if (bad) throw new Error('more was sent, held or lost than may be');
}

export async function run({ minutes, say }: { minutes: number; say: (line: string) => void }): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  do await write(say);
  while (performance.now() < endMs);
}

if (process.argv[2] === 'reader') await read();
