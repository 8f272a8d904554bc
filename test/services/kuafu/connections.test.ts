import { afterEach, expect, test } from 'vitest';
import { connectMany, startManyServer } from './many-connections.ts';

/** The same with ten thousand connections: test/soak/connections.ts. */
const CONNECTIONS = 500;
/** An idle connection weighed 5 KB when this was written, most of it Node's socket; a slab of 256 KiB each would not pass. */
const CONNECTION_BYTES_MAX = 40_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('a server holds many connections that do nothing, answers them all at once, and tells one too many why not', {
  timeout: 60_000,
}, async () => {
  const server = await startManyServer(CONNECTIONS);
  cleanups.push(server.close);
  const before = await server.weigh();
  const callers = await connectMany(server.address, CONNECTIONS);
  cleanups.push(() => {
    for (const caller of callers) caller.close();
  });
  const idle = await server.weigh();
  expect(idle.connections).toBe(CONNECTIONS);
  const bytes = idle.heapUsed + idle.external - before.heapUsed - before.external;
  expect(bytes / CONNECTIONS).toBeLessThan(CONNECTION_BYTES_MAX);

  const answered = await Promise.all(callers.map((caller) => caller.call(1)));
  expect(answered.filter(Boolean)).toHaveLength(CONNECTIONS);

  const [late] = await connectMany(server.address, 1);
  expect(late!.refusal).toMatch(/too many connections/);
  // Who was there is not harmed, and a place that is given up is there for the next.
  expect(await callers[0]!.call(2)).toBe(true);
  callers.pop()!.close();
  await expect.poll(async () => (await server.weigh()).connections).toBe(CONNECTIONS - 1);
  const [next] = await connectMany(server.address, 1);
  expect(next!.refusal).toBeUndefined();
  next!.close();
});
