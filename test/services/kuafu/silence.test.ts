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
