import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { joinCluster } from '../../../services/nuwa/client.ts';
import { Harness } from '../nuwa/harness.ts';
import { rollingService } from './rolling-service.ts';

/** A release of a service: its processes are replaced one after the other while it works. Nobody who calls it by name may notice. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Counts {
  again: number;
  once: number;
}

test('three instances are restarted one after the other under load: no call fails, and none that may run once runs twice', {
  timeout: 60_000,
}, async () => {
  const harness = new Harness();
  cleanups.push(() => harness.close());
  const { address: nuwa } = await harness.server();
  const ran: Counts = { again: 0, once: 0 };
  const start = async (instance: string): Promise<ChildProcess> => {
    const child = fork(new URL('rolling-process.ts', import.meta.url), [instance, nuwa], { execArgv: ['--import', 'tsx'] });
    cleanups.push(() => child.kill('SIGKILL'));
    await once(child, 'message');
    return child;
  };
  const stop = async (child: ChildProcess): Promise<void> => {
    const exited = once(child, 'exit');
    const told = once(child, 'message');
    child.kill('SIGTERM');
    const [{ counts }] = (await told) as [{ counts: Counts }];
    ran.again += counts.again;
    ran.once += counts.once;
    expect(await exited).toEqual([0, null]);
  };
  const names = ['a', 'b', 'c'];
  const running = new Map<string, ChildProcess>();
  await Promise.all(names.map(async (name) => running.set(name, await start(name))));

  const member = await joinCluster({ cluster: 'test', nuwa: [nuwa], creator: 'caller' });
  cleanups.push(() => member.leave());
  const rolling = member.kuafu.service(rollingService, 'nuwa://test/rolling/');
  let goingOn = true;
  const answered: Counts = { again: 0, once: 0 };
  let onAnswer: () => void = () => {};
  const failures: unknown[] = [];
  const callers = Array.from({ length: 32 }, async (_, i) => {
    const name = i % 2 ? 'once' : 'again';
    for (let n = 0; goingOn; n++) {
      try {
        // Most are short, some take long enough to be under way whenever an instance goes.
        await rolling[name]({ holdMs: (i + n) % 8 === 0 ? 50 : 1 });
        answered[name]++;
      } catch (error) {
        failures.push(error);
      }
      onAnswer();
    }
  });
  const untilMore = async (calls: number): Promise<void> => {
    const done = (): number => answered.again + answered.once + failures.length;
    const wanted = done() + calls;
    while (done() < wanted) await new Promise<void>((resolve) => (onAnswer = resolve));
  };

  await untilMore(500);
  for (const name of names) {
    await stop(running.get(name)!);
    await untilMore(500);
    running.set(name, await start(name));
    await untilMore(500);
  }
  goingOn = false;
  await Promise.all(callers);
  expect(failures).toEqual([]);
  for (const child of running.values()) await stop(child);
  expect(ran.once).toBe(answered.once);
  expect(ran.again).toBe(answered.again); // a graceful leave needs no second try either
  expect(answered.once).toBeGreaterThan(500);
});
