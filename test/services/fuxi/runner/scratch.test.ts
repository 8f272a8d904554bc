import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { readBytesOf, ScratchFile } from '../../../../services/fuxi/runner/local-runs.ts';
import { ShuffleOutput } from '../../../../services/fuxi/runner/output-shuffle.ts';
import type { PanguFile } from '../../../../services/pangu/contract.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'feitian-test-scratch-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Where an attempt's file would go. */
const file = { path: '/out', write: async () => {}, close: async () => ({}), abort: async () => {} } as unknown as PanguFile;

function emitMany(output: ShuffleOutput, records: number): void {
  const random = seededRandom(5);
  for (let i = 0; i < records; i++) {
    const key = Buffer.from(`key-${random.int(1e9)}`);
    output.record(key, 0, key.length, key, 0, key.length);
  }
}

test('spills have no name, so that they end with their process', async () => {
  const output = new ShuffleOutput({ file, partitions: 3, memoryBytes: 100_000, scratch: directory });
  emitMany(output, 10_000);
  expect(output.spills).toBeGreaterThan(2);
  expect(readdirSync(directory)).toEqual([]);
  expect(await output.close()).toMatchObject({ recordsOut: 10_000 });
});

test('a run is read in steps of any length, and what was read stays good', () => {
  const scratch = new ScratchFile(directory);
  const records = Array.from({ length: 100 }, (_, i) => Buffer.concat([Buffer.of(1, 2), Buffer.of(i), Buffer.from([i, 255 - i])]));
  scratch.write(Buffer.from('before'), 0);
  scratch.write(Buffer.concat(records), 6);
  for (const readBytes of [1, 7, 64, 100_000]) {
    const cursor = scratch.cursor(6, 500, readBytes);
    const values: Uint8Array[] = [];
    while (cursor.next()) values.push(cursor.value.subarray(cursor.valueStart, cursor.valueEnd));
    expect(values.map((value) => [...value])).toEqual(records.map((_, i) => [i, 255 - i]));
  }
  scratch.close();
});

test('runs share the memory there is', () => {
  expect(readBytesOf(2, 64 << 20)).toBe(256 << 10);
  expect(readBytesOf(1_000, 64 << 20)).toBe(67_108);
  expect(readBytesOf(1_000_000, 64 << 20)).toBe(16 << 10);
});

// A disk of a megabyte needs leave to mount one.
describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('a full disk', () => {
  beforeEach(() => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]));
  afterEach(() => execFileSync('umount', [directory]));

  test('fails the attempt as the fault of storage, and says whose', async () => {
    const output = new ShuffleOutput({ file, partitions: 3, memoryBytes: 100_000, scratch: directory });
    expect(() => emitMany(output, 100_000)).toThrow(/^StorageFailed: scratch space of this machine: ENOSPC/);
    await output.abort();
  });
});
