import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { joinCluster } from '../../../services/nuwa/client.ts';
import { Harness } from '../nuwa/harness.ts';
import { rollingService } from './rolling-service.ts';

/** A process that stands still keeps its connections, answers nothing, and is registered until its session is over. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('one of three instances stands still under load: no idempotent call fails, and all are answered within the default deadline', {
  timeout: 60_000,
}, async () => {
  const harness = new Harness();
  cleanups.push(() => harness.close());
  const { address: nuwa } = await harness.server();
  const start = async (instance: string): Promise<ChildProcess> => {
    const child = fork(new URL('rolling-process.ts', import.meta.url), [instance, nuwa], { execArgv: ['--import', 'tsx'] });
    cleanups.push(() => child.kill('SIGKILL'));
    await once(child, 'message');
    return child;
  };
  const [stopped] = await Promise.all(['a', 'b', 'c'].map(start));
  const member = await joinCluster({ cluster: 'test', nuwa: [nuwa], creator: 'caller' });
  cleanups.push(() => member.leave());
  const rolling = member.kuafu.service(rollingService, 'nuwa://test/rolling/');
  const who = new Map<string, number>();
  const failures: unknown[] = [];
  let slowestMs = 0;
  let goingOn = true;
  let onAnswer: () => void = () => {};
  const call = async (holdMs: number): Promise<void> => {
    const startedMs = performance.now();
    try {
      const reply = await rolling.again({ holdMs });
      who.set(reply.who, (who.get(reply.who) ?? 0) + 1);
    } catch (error) {
      failures.push(error);
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    onAnswer();
  };
  const answered: number[] = Array(24).fill(0);
  const callers = answered.map(async (_, i) => {
    for (; goingOn; answered[i]!++) await call(i % 8 === 0 ? 50 : 2);
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => (onAnswer = resolve));
  };
  await until(() => who.size === 3);
  // Under way there when it happens.
  stopped!.kill('SIGSTOP');
  // Each caller soon asks the one that stopped; then its call goes elsewhere, and so do all that follow.
  const byThen = [...answered];
  await until(() => answered.every((count, i) => count > byThen[i]! + 5));
  const before = who.get('a');
  const others = (who.get('b') ?? 0) + (who.get('c') ?? 0);
  await until(() => (who.get('b') ?? 0) + (who.get('c') ?? 0) > others + 500);
  expect(who.get('a')).toBe(before);
  // It goes on, and is called again.
  stopped!.kill('SIGCONT');
  await until(() => who.get('a')! > before!);
  goingOn = false;
  await Promise.all(callers);
  expect(failures).toEqual([]);
  expect(slowestMs).toBeGreaterThan(1_000); // some were under way there
  expect(slowestMs).toBeLessThan(9_000);
});
