import { expect, test } from 'vitest';
import { z } from 'zod';
import { BufferPool, recycleAttachment, recycleWhenSent, takeAttachmentBuffer } from '../../../services/kuafu/buffers.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { defineService, KuafuError, method } from '../../../services/kuafu/contract.ts';
import { implement, serve } from '../../../services/kuafu/server.ts';

const KIB = 1024;

test('a buffer that is given back is used again, for any size that rounds up alike', () => {
  const pool = new BufferPool();
  const first = pool.take(1_000 * KIB);
  pool.give(first);
  const second = pool.take(1_001 * KIB);
  expect(second.buffer).toBe(first.buffer);
  expect(second.length).toBe(1_001 * KIB);
});

test('what is not given back is never used again', () => {
  const pool = new BufferPool();
  const memories = new Set(Array.from({ length: 20 }, () => pool.take(100 * KIB).buffer));
  expect(memories.size).toBe(20);
});

test('giving back twice, a view, or a buffer from elsewhere changes nothing', () => {
  const pool = new BufferPool();
  const first = pool.take(100 * KIB);
  pool.give(first.subarray(10));
  pool.give(Buffer.alloc(100 * KIB));
  expect(pool.take(100 * KIB).buffer).not.toBe(first.buffer);
  pool.give(first);
  const second = pool.take(100 * KIB);
  pool.give(first); // the memory is second's by now
  expect(pool.take(100 * KIB).buffer).not.toBe(second.buffer);
});

test('no more is kept than the bound, and sizes nobody asks for go first', () => {
  const pool = new BufferPool(512 * KIB);
  const odd = pool.take(256 * KIB);
  const common = [pool.take(128 * KIB), pool.take(128 * KIB), pool.take(128 * KIB)];
  pool.give(odd);
  for (const buffer of common) pool.give(buffer);
  expect(pool.take(256 * KIB).buffer).not.toBe(odd.buffer);
  const again = [pool.take(128 * KIB), pool.take(128 * KIB), pool.take(128 * KIB)];
  expect(new Set(again.map(({ buffer }) => buffer))).toEqual(new Set(common.map(({ buffer }) => buffer)));
});

test('small buffers are not worth keeping', () => {
  const pool = new BufferPool();
  const small = pool.take(100);
  pool.give(small);
  const next = pool.take(100);
  expect(next.buffer !== small.buffer || next.byteOffset !== small.byteOffset).toBe(true);
});

test('a reply that is used again when it was sent comes whole to each of many callers, through one connection', async () => {
  const bytes = 300 * KIB;
  const memories = new Set<ArrayBufferLike>();
  const service = defineService('buffers', {
    errors: KuafuError,
    methods: {
      get: method({ request: z.object({ n: z.int() }), response: z.object({}), replyAttachment: true, access: 'open' }),
    },
  });
  const get = async ({ n }: { n: number }) => {
    const attachment = takeAttachmentBuffer(bytes);
    memories.add(attachment.buffer);
    recycleWhenSent(attachment.fill(n));
    return { body: {}, attachment };
  };
  const server = await serve({ address: 'tcp://127.0.0.1:0', guard: 'none', implementations: [implement(service, { get })] });
  const kuafu = createKuafuClient();
  try {
    const client = kuafu.service(service, server.address);
    const asked = Array.from({ length: 120 }, (_, n) => n);
    for (let from = 0; from < asked.length; from += 12) {
      const some = asked.slice(from, from + 12);
      const replies = await Promise.all(some.map((n) => client.get({ n })));
      expect(replies.every(({ attachment }, i) => attachment.equals(Buffer.alloc(bytes, some[i])))).toBe(true);
      // In this process the replies' memory is of the same pool.
      for (const { attachment } of replies) recycleAttachment(attachment);
    }
    expect(memories.size).toBeLessThan(60);
  } finally {
    await kuafu.close();
    await server.close();
  }
});
