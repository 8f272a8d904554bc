import { expect, test } from 'vitest';
import { memAvailableBytes, networkBytes } from '../../../../services/shennong/core/proc.ts';

test('available memory is read from meminfo, and unknown where that is not there', () => {
  expect(memAvailableBytes('MemTotal:       24684084 kB\nMemFree:          100 kB\nMemAvailable:   21800000 kB\n')).toBe(21_800_000 * 1024);
  expect(memAvailableBytes('')).toBeUndefined();
});

test('bytes of all interfaces are added up, also where a figure touches the colon', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000       10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
  eth0:250       2    0    0    0     0          0         0     40      1    0    0    0     0       0          0
`;
  expect(networkBytes(text)).toEqual({ in: 1250, out: 1040 });
  expect(networkBytes('')).toBeUndefined();
});
