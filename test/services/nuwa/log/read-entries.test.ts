import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import type { Entry } from '../../../../services/nuwa/core/raft/types.ts';
import { segmentFile } from '../../../../services/nuwa/log/files.ts';
import { fileHeader, frameOf } from '../../../../services/nuwa/log/frame.ts';
import { readEntries } from '../../../../services/nuwa/log/read-entries.ts';
import { LogReader, SEGMENT_KIND } from '../../../../services/nuwa/log/read-log.ts';
import { encodeWrites } from '../../../../services/nuwa/log/record.ts';
import { bytes } from '../core/tree/script.ts';

const SALT = Buffer.from('12345678');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-entries-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: 'commands',
  timeMs: index,
  data: bytes(`${index} of ${term}`),
});

/** Each frame holds these entries. */
function writeSegment(segment: number, frames: Entry[][]): void {
  const parts = [fileHeader(SEGMENT_KIND, SALT)];
  for (const entries of frames) {
    const payload = encodeWrites([{ seq: 1, hardState: { term: 1, vote: 'n1' }, entries }]);
    parts.push(frameOf(payload, SALT));
  }
  writeFileSync(join(dir, segmentFile(segment)), Buffer.concat(parts));
}

async function read(segments: number[], afterIndex: number, throughIndex: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { index, term } of readEntries(dir, segments, { afterIndex, throughIndex })) found.push(`${index} of ${term}`);
  return found;
}

async function readAtOnce(segments: number[], afterIndex: number): Promise<string[]> {
  const reader = new LogReader(afterIndex);
  for (const segment of segments) await reader.read(dir, segment, { last: segment === segments.at(-1) });
  return reader.entries.map(({ index, term }) => `${index} of ${term}`);
}

test('entries come over segments, from behind the one to the other', async () => {
  writeSegment(4, [[entry(1, 1), entry(2, 1)], [], [entry(3, 1)]]);
  writeSegment(5, [[entry(4, 1)], [entry(5, 2)]]);
  expect(await read([4, 5], 1, 4)).toEqual(['2 of 1', '3 of 1', '4 of 1']);
  expect(await read([4, 5], 0, 9)).toEqual(['1 of 1', '2 of 1', '3 of 1', '4 of 1', '5 of 2']);
  expect(await read([4, 5], 5, 5)).toEqual([]);
});

test('what a later entry voids does not come, also where it stands in another segment', async () => {
  writeSegment(1, [
    [entry(1, 1), entry(2, 1), entry(3, 1)],
    [entry(2, 2), entry(3, 2), entry(4, 2)],
  ]);
  writeSegment(2, [[entry(3, 3)], [entry(4, 3)]]);
  expect(await read([1, 2], 0, 4)).toEqual(['1 of 1', '2 of 2', '3 of 3', '4 of 3']);
});

test('an entry that a snapshot has still voids those after it', async () => {
  // A leader of term 2 replaced entry 2 and made none beyond; a snapshot up to 2 was made then.
  writeSegment(1, [[entry(1, 1), entry(2, 1), entry(3, 1)], [entry(2, 2)]]);
  expect(await read([1], 2, 3)).toEqual([]);
  expect(await readAtOnce([1], 2)).toEqual([]);
});

test('any history gives the entries that a log in memory would have', async () => {
  const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
  const random: Random = seededRandom(seed);
  for (let round = 0; round < 60; round++) {
    let log: Entry[] = [];
    const segments = Array.from({ length: 1 + random.int(4) }, (_, i) => i + 1);
    for (const segment of segments) {
      const frames = Array.from({ length: random.int(8) }, (_, i) => {
        const begin = 1 + (random.int(3) === 0 ? random.int(log.length + 1) : log.length);
        const entries = Array.from({ length: random.int(4) }, (_, j) => entry(begin + j, segment * 10 + i));
        if (entries.length > 0) log = [...log.slice(0, begin - 1), ...entries];
        return entries;
      });
      // A segment begins with the hard state.
      writeSegment(segment, [[], ...frames]);
    }
    for (let afterIndex = 0; afterIndex <= log.length; afterIndex++) {
      const where = `seed ${seed}, round ${round}, after ${afterIndex}`;
      const wanted = log.slice(afterIndex).map(({ index, term }) => `${index} of ${term}`);
      expect(await read(segments, afterIndex, log.length), where).toEqual(wanted);
      expect(await readAtOnce(segments, afterIndex), where).toEqual(wanted);
      expect(await read(segments, afterIndex, log.length - 1), where).toEqual(wanted.slice(0, Math.max(0, wanted.length - 1)));
    }
  }
});

test('frames larger than what is read at once come whole', async () => {
  const large = { ...entry(2, 1), data: new Uint8Array(3_000_000).fill(7) };
  writeSegment(1, [[entry(1, 1)], [large], [entry(3, 1)]]);
  const found: Entry[] = [];
  for await (const each of readEntries(dir, [1], { afterIndex: 0, throughIndex: 3 })) found.push(each);
  expect(found.map(({ data }) => data.length)).toEqual([6, 3_000_000, 6]);
});

test('zeros that a segment was filled with ahead of its end are its end, whatever their number', async () => {
  writeSegment(1, [[entry(1, 1)], [entry(2, 1)]]);
  writeSegment(2, [[entry(3, 1)]]);
  const path = join(dir, segmentFile(1));
  const whole = readFileSync(path);
  for (const zeros of [1, 3, 11, 12, 13, 1_000, 262_144, 2_500_000]) {
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(zeros)]));
    expect(await read([1, 2], 0, 3), `${zeros} zeros`).toEqual(['1 of 1', '2 of 1', '3 of 1']);
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(zeros), Buffer.of(1)]));
    await expect(read([1, 2], 0, 3), `something behind ${zeros} zeros`).rejects.toThrow(`it is damaged at byte ${whole.length}`);
  }
});

test('a gap, a torn end and a changed byte are refused, and the place is named', async () => {
  writeSegment(1, [[entry(1, 1)], [entry(3, 1)]]);
  await expect(read([1], 0, 3)).rejects.toThrow(/log-0000000001: entry 3 follows 1/);
  await expect(read([1], 1, 3)).rejects.toThrow(/entry 3 follows 1/);
  writeSegment(1, [[entry(1, 1)], [entry(2, 1)]]);
  const path = join(dir, segmentFile(1));
  const whole = readFileSync(path);
  const second = 20 + 12 + whole.readUInt32BE(24);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 2;
    writeFileSync(path, damaged);
    await expect(read([1], 0, 2), `byte ${at}`).rejects.toThrow(/log-0000000001: it/);
  }
  writeFileSync(path, whole);
  truncateSync(path, whole.length - 1);
  await expect(read([1], 0, 2)).rejects.toThrow(`it breaks off at byte ${second}`);
});
