import { expect, test } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import { seededRandom } from '../../../services/base/random.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { SeededFaults } from '../../../services/kuafu/transports/faults.ts';
import { MemoryNetwork } from '../../../services/kuafu/transports/memory.ts';
import { EchoHandlers, echoService } from './echo.ts';

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

test('a peer that owes a reply is asked after 5 s of silence: if it lives the call goes on, if not the call breaks after 5 s more', async () => {
  const clock = new ManualClock();
  const faults = new SeededFaults(seededRandom(1));
  const network = new MemoryNetwork({ faults, clock });
  const handlers = new EchoHandlers();
  const server = await serve({
    guard: 'none',
    address: 'mem://s',
    implementations: [handlers.implementation()],
    transports: { mem: network.transport('s') },
    clock,
  });
  const client = createKuafuClient({ transports: { mem: network.transport('c') }, clock });
  const echo = client.service(echoService, 'mem://s');
  let ended: unknown;
  echo.wait({ name: 'a' }, { timeoutMs: 60_000 }).catch((error) => (ended = error));
  await handlers.untilWaiting(1);

  for (let second = 0; second < 20; second++) {
    clock.advance(1_000);
    await turns(4);
  }
  expect(ended).toBeUndefined();

  faults.partition('c', 's');
  for (let second = 0; second < 12; second++) {
    clock.advance(1_000);
    await turns(4);
  }
  expect(ended).toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/silent/) });
  await client.close();
  await server.close({ graceMs: 0 });
});

test('a client that is told to notices silence sooner, and stays away for a while from whom it found silent', async () => {
  const clock = new ManualClock();
  const faults = new SeededFaults(seededRandom(1));
  const network = new MemoryNetwork({ faults, clock });
  const handlers = new EchoHandlers();
  const server = await serve({
    guard: 'none',
    address: 'mem://s',
    implementations: [handlers.implementation()],
    transports: { mem: network.transport('s') },
    clock,
  });
  const client = createKuafuClient({ transports: { mem: network.transport('c') }, clock, silenceMs: 500 });
  const echo = client.service(echoService, 'mem://s');
  const ended: unknown[] = [];
  echo.wait({ name: 'a' }, { timeoutMs: 60_000 }).catch((error) => ended.push(error));
  await handlers.untilWaiting(1);
  faults.partition('c', 's');
  for (let step = 0; step < 16; step++) {
    clock.advance(100);
    await turns(4);
  }
  expect(ended).toMatchObject([{ code: 'Unavailable', reason: expect.stringMatching(/silent for 1 s/) }]);
  echo.wait({ name: 'b' }, { timeoutMs: 1_000 }).catch((error) => ended.push(error));
  for (let step = 0; step < 11; step++) {
    await turns(4);
    clock.advance(100);
  }
  await turns(4);
  expect(ended[1]).toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/fell silent a moment ago/) });

  faults.heal();
  clock.advance(3_000);
  const again = echo.wait({ name: 'c' }, { timeoutMs: 60_000 });
  again.catch(() => {});
  await handlers.untilWaiting(1);
  await client.close();
  await server.close({ graceMs: 0 });
});

test('deadlines follow the clock that was given', async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const handlers = new EchoHandlers();
  const server = await serve({
    guard: 'none',
    address: 'mem://s',
    implementations: [handlers.implementation()],
    transports: { mem: network.transport('s') },
    clock,
  });
  const client = createKuafuClient({ transports: { mem: network.transport('c') }, clock });
  const call = client.service(echoService, 'mem://s').wait({ name: 'a' }, { timeoutMs: 3_600_000 });
  call.catch(() => {});
  await handlers.untilWaiting(1);
  expect(handlers.waiting.get('a')!.context.remainingMs()).toBe(3_600_000);
  clock.advance(3_599_000);
  await turns(4);
  expect(handlers.aborted).toEqual([]);
  expect(handlers.waiting.get('a')!.context.remainingMs()).toBe(1_000);
  clock.advance(1_008);
  await expect(call).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await handlers.untilAborted(1);
  await client.close();
  await server.close({ graceMs: 0 });
});

/** Two instances `s` and `t` of one service, and a client that knows them by name. */
async function twoInstances() {
  const clock = new ManualClock();
  const faults = new SeededFaults(seededRandom(1));
  const network = new MemoryNetwork({ faults, clock });
  const instances = await Promise.all(
    ['s', 't'].map(async (name) => {
      const handlers = new EchoHandlers(name);
      const server = await serve({
        guard: 'none',
        address: `mem://${name}`,
        implementations: [handlers.implementation()],
        transports: { mem: network.transport(name) },
        clock,
      });
      return { name, handlers, server };
    }),
  );
  const resolver = { resolve: async () => instances.map(({ name }) => `mem://${name}`), suspect: () => {} };
  const client = createKuafuClient({ resolver, transports: { mem: network.transport('c') }, clock });
  const echo = client.service(echoService, 'nuwa://test/echo/', { pick: 'one' });
  const { who } = await echo.who({});
  const near = instances.find(({ name }) => name === who)!;
  const far = instances.find(({ name }) => name !== who)!;
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1_010);
      await turns(6);
    }
  };
  const close = async (): Promise<void> => {
    await client.close();
    for (const { server } of instances) await server.close({ graceMs: 0 });
  };
  return { faults, echo, near, far, pass, close };
}

test('an idempotent call whose instance is silent for 3 s is made at another; one that may run once waits until the connection is given up', async () => {
  const { faults, echo, near, far, pass, close } = await twoInstances();
  const again = echo.waitAgain({ name: 'again' });
  let once: unknown;
  echo.wait({ name: 'once' }, { timeoutMs: 60_000 }).catch((error) => (once = error));
  await near.handlers.untilWaiting(2);
  await pass(2);
  expect(far.handlers.calls).toBe(0); // it answers pings: nothing is moved
  faults.partition('c', near.name);
  await pass(4);
  await far.handlers.untilWaiting(1);
  far.handlers.waiting.get('again')!.release();
  await expect(again).resolves.toMatchObject({ remainingMs: expect.any(Number) });
  expect(once).toBeUndefined();
  // While it is silent nobody calls it, and once it is heard it is as good as any.
  await expect(echo.who({})).resolves.toEqual({ who: far.name });
  expect(once).toBeUndefined();
  await pass(10);
  expect(once).toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/silent for 10 s/) });
  await close();
});

test('a silent instance that is heard again loses nothing: its calls that may run once are answered', async () => {
  const { faults, echo, near, pass, close } = await twoInstances();
  const once = echo.wait({ name: 'once' }, { timeoutMs: 60_000 });
  const again = echo.waitAgain({ name: 'again' }, { timeoutMs: 60_000 });
  again.catch(() => {});
  await near.handlers.untilWaiting(2);
  faults.partition('c', near.name);
  await pass(5);
  faults.heal();
  await pass(6);
  near.handlers.waiting.get('once')!.release();
  await expect(once).resolves.toMatchObject({ remainingMs: expect.any(Number) });
  await close();
});
