import { expect, test } from 'vitest';
import { Disk } from '../../../../../services/nuwa/core/raft/disk.ts';

/** Section 10.2.1: what counts as a server's own copy. */
test('entries count when their write is done, in order', () => {
  const disk = new Disk(3);
  const first = disk.issue(5, false);
  const second = disk.issue(8, false);
  expect([disk.writtenIndex, disk.idle]).toEqual([3, false]);
  disk.written(first);
  expect(disk.writtenIndex).toBe(5);
  disk.written(second);
  expect([disk.writtenIndex, disk.idle]).toEqual([8, true]);
});

test('one word may tell of several writes, and tell it twice', () => {
  const disk = new Disk(0);
  disk.issue(1, false);
  disk.issue(2, false);
  disk.written(2);
  disk.written(1);
  expect([disk.writtenIndex, disk.idle]).toEqual([2, true]);
});

test('entries that were cut off while they were being written do not count when the write is done', () => {
  const disk = new Disk(3);
  const old = disk.issue(8, false);
  disk.truncatedFrom(6);
  const next = disk.issue(9, false);
  disk.written(old);
  expect(disk.writtenIndex).toBe(5);
  disk.written(next);
  expect(disk.writtenIndex).toBe(9);
});

test('entries that were written and are cut off count no more', () => {
  const disk = new Disk(8);
  disk.truncatedFrom(6);
  expect(disk.writtenIndex).toBe(5);
});

test('a snapshot that was loaded counts whatever the writes before it held', () => {
  const disk = new Disk(3);
  const old = disk.issue(8, true);
  disk.reset(20);
  expect([disk.writtenIndex, disk.knowsHardState]).toEqual([20, false]);
  disk.written(old);
  expect([disk.writtenIndex, disk.knowsHardState]).toEqual([20, true]);
});

test('a write that was never issued cannot be done', () => {
  expect(() => new Disk(0).written(1)).toThrow('the last issued is 0');
});
