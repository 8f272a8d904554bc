import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { silentLogger } from '../../../../services/base/log.ts';
import { createKuafuClient } from '../../../../services/kuafu/client.ts';
import { defineService, method } from '../../../../services/kuafu/contract.ts';
import { nuwaResolver } from '../../../../services/nuwa/client.ts';
import { type NuwaClient, NuwaError } from '../../../../services/nuwa/contract.ts';
import { followRevocations } from '../../../../services/zhongkui/revocations/follower.ts';
import { bytes } from '../core/tree/script.ts';
import { MemoryGroup } from './memory-group.ts';

const service = defineService('demo', {
  errors: NuwaError,
  methods: { ask: method({ request: z.object({}), response: z.object({}), idempotent: true }) },
});
const DENIED = { code: 'PermissionDenied' };
/** What would be waited for an outage is thirty times as long. */
const AT_ONCE_MS = 1_000;

let group: MemoryGroup;
let nuwa: NuwaClient;
const deny = (denied: boolean): void => {
  for (const server of group.servers) server.fate = (method) => (denied && ['get', 'list', 'poll'].includes(method) ? 'deny' : undefined);
};

beforeEach(async () => {
  group = await MemoryGroup.start(1);
  nuwa = await group.client();
});
afterEach(() => group.close());

describe('who may not look', () => {
  test('for the instances of a service is told so at once, and finds them once it may', async () => {
    await nuwa.register('demo', 'one', { address: 'tcp://127.0.0.1:1' });
    deny(true);
    const resolver = nuwaResolver(nuwa);
    const kuafu = createKuafuClient({ resolver });
    const startedAtMs = performance.now();
    await expect(kuafu.service(service, 'nuwa://test/demo/').ask({})).rejects.toMatchObject(DENIED);
    expect(performance.now() - startedAtMs).toBeLessThan(AT_ONCE_MS);
    deny(false);
    expect(await resolver.resolve('nuwa://test/demo/')).toEqual(['tcp://127.0.0.1:1']);
    await kuafu.close();
  });

  test('for revocations does not wait for them', async () => {
    deny(true);
    const ending = new AbortController();
    const follower = followRevocations({ nuwa, log: silentLogger, signal: ending.signal });
    await expect(follower.fresh).rejects.toMatchObject(DENIED);
    ending.abort();
    await follower.ended;
  });
});

test('who followed a directory keeps its picture while it is refused, and goes on after', async () => {
  await nuwa.create('/d', bytes(''));
  const news = nuwa.follow('/d')[Symbol.asyncIterator]();
  expect((await news.next()).value).toMatchObject({ kind: 'snapshot' });
  const next = news.next();
  await expect.poll(() => group.waiting).toBe(1);
  let refused = 0;
  for (const server of group.servers)
    server.fate = (method) => {
      if (method !== 'poll') return undefined;
      refused++;
      return 'deny';
    };
  await nuwa.create('/d/a', bytes('A'));
  // The poll that waited brings this one; the one after is refused.
  expect((await next).value).toMatchObject({ kind: 'event', event: { path: '/d/a' } });
  const later = news.next();
  await expect.poll(() => refused).toBeGreaterThan(0);
  for (const server of group.servers) server.fate = () => undefined;
  await nuwa.create('/d/b', bytes('B'));
  expect((await later).value).toMatchObject({ kind: 'event', event: { path: '/d/b' } });
  await news.return!();
});
