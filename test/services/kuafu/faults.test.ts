import { describe, expect, test } from 'vitest';
import { type Clock, ManualClock, systemClock } from '../../../services/base/clock.ts';
import { seededRandom } from '../../../services/base/random.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { SeededFaults } from '../../../services/kuafu/transports/faults.ts';
import { MemoryNetwork } from '../../../services/kuafu/transports/memory.ts';
import { EchoHandlers, echoService } from './echo.ts';

async function setUp(seed: number, options: SeededFaults['options'], clock: Clock = systemClock) {
  const faults = new SeededFaults(seededRandom(seed), options);
  const network = new MemoryNetwork({ faults, clock });
  const handlers = new EchoHandlers();
  const server = await serve({
    guard: 'none',
    address: 'mem://s',
    implementations: [handlers.implementation()],
    transports: { mem: network.transport('s') },
  });
  const client = createKuafuClient({ transports: { mem: network.transport('c') }, random: seededRandom(seed), clock });
  const stop = async (): Promise<void> => {
    await client.close();
    await server.close({ graceMs: 0 });
  };
  return { faults, network, handlers, server, client, echo: client.service(echoService, 'mem://s'), stop };
}

describe('calls over a network with faults', () => {
  test.each([1, 2, 3])('each call gets its own reply or runs out of time, whatever is lost, doubled or late (seed %i)', async (seed) => {
    const clock = new ManualClock();
    const { echo, stop } = await setUp(seed, { drop: 0.1, duplicate: 0.2, reorder: 0.3, reorderMs: 10, delayMs: [0, 3] }, clock);
    let settled = false;
    const calls = Promise.allSettled(Array.from({ length: 200 }, (_, i) => echo.echo({ text: `${i}` }, { timeoutMs: 300 }))).finally(
      () => (settled = true),
    );
    while (!settled) {
      for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      clock.advance(1);
    }
    let replied = 0;
    for (const [i, outcome] of (await calls).entries()) {
      if (outcome.status === 'fulfilled') {
        expect(outcome.value).toEqual({ text: `${i}` });
        replied++;
      } else expect(outcome.reason).toMatchObject({ code: 'DeadlineExceeded' });
    }
    // 0.9 of the requests arrive, and 0.9 of their replies: 162 of 200.
    expect(replied).toBeGreaterThan(130);
    expect(replied).toBeLessThan(190);
    await stop();
  });

  test('the same seed loses the same frames', () => {
    const fates = (seed: number): string => {
      const faults = new SeededFaults(seededRandom(seed), { drop: 0.3, duplicate: 0.3, delayMs: [1, 9], reorder: 0.5 });
      return JSON.stringify(Array.from({ length: 50 }, () => faults.fate('a', 'b')));
    };
    expect(fates(7)).toBe(fates(7));
    expect(fates(7)).not.toBe(fates(8));
  });

  test('a request that arrives twice while it runs, runs once', async () => {
    const { echo, handlers, stop } = await setUp(1, { duplicate: 1 });
    const call = echo.wait({ name: 'a' });
    await handlers.untilWaiting(1);
    await echo.echo({ text: '' }); // by now the double has arrived as well
    expect(handlers.calls).toBe(1);
    handlers.waiting.get('a')!.release();
    await call;
    await stop();
  });

  test('across a partition calls run out of time, and go through once it is healed', async () => {
    const { echo, faults, stop } = await setUp(1, {});
    await echo.echo({ text: 'before' });
    faults.partition('c', 's');
    await expect(echo.echo({ text: 'lost' }, { timeoutMs: 40 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    faults.heal();
    await expect(echo.echo({ text: 'after' })).resolves.toEqual({ text: 'after' });
    await stop();
  });

  test('a connection cut in mid-call breaks it at both ends, and the next call makes a new one', async () => {
    const { echo, network, handlers, stop } = await setUp(1, {});
    const call = echo.wait({ name: 'a' });
    call.catch(() => {});
    await handlers.untilWaiting(1);
    network.cut('c', 's');
    await expect(call).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/was cut/) });
    await handlers.untilAborted(1);
    await expect(echo.whoOnce({})).resolves.toEqual({ who: 'echo' });
    await stop();
  });
});
