import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { Harness } from '../harness.ts';

const harness = new Harness();
afterEach(() => harness.close());

test('a server whose ZooKeeper port is taken serves without it, says so, and opens it once it is free', async () => {
  const taker = createServer().listen(0, '127.0.0.1');
  await once(taker, 'listening');
  const zookeeper = `127.0.0.1:${(taker.address() as { port: number }).port}`;
  const [place] = await harness.places(1);
  const server = await harness.member('nuwa-1', [place!], { zookeeper });
  const status = () => harness.rpc(server.address).status({});
  const before = await status();
  expect(before.problems).toEqual([expect.stringMatching(`does not speak ZooKeeper at ${zookeeper}: .*EADDRINUSE`)]);
  expect(before.zookeeper).toBeUndefined();
  await (await harness.client(server.address)).create('/served', new Uint8Array());
  await new Promise((resolve) => taker.close(resolve));
  await vi.waitFor(async () => expect(await status()).toMatchObject({ zookeeper, problems: [] }), 10_000);
});

test('a ZooKeeper port that is none stops the start, and what was opened for it is closed', async () => {
  const [place] = await harness.places(1);
  await expect(harness.member('nuwa-1', [place!], { zookeeper: 'nowhere' })).rejects.toThrow('nowhere is no host:port');
  await harness.member('nuwa-1', [place!]);
});
