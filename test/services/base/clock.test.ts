import { expect, test } from 'vitest';
import { systemClock } from '../../../services/base/clock.ts';

test('dozens of sleeps on one signal are no leak: nobody is warned, and all end when it aborts', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const over = new AbortController();
  const sleeps = Array.from({ length: 40 }, () => systemClock.sleep(60_000, over.signal));
  over.abort();
  expect((await Promise.allSettled(sleeps)).every(({ status }) => status === 'rejected')).toBe(true);
  // Warnings are told in a turn of their own.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
