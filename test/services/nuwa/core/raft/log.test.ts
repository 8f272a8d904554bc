import { describe, expect, test } from 'vitest';
import { RaftLog } from '../../../../../services/nuwa/core/raft/log.ts';
import type { Entry, GroupConfig } from '../../../../../services/nuwa/core/raft/types.ts';

const groupOf = (...ids: string[]): GroupConfig => ({ members: ids.map((id) => ({ id, address: id, role: 'voter' })) });
const FIRST = groupOf('s1');

/** Entries of the given terms from `index` on, of `bytes` payload each. */
function entries(index: number, terms: number[], bytes = 1): Entry[] {
  return terms.map((term, i) => ({ index: index + i, term, kind: 'commands', timeMs: 100 + index + i, data: new Uint8Array(bytes) }));
}

const configEntry = (index: number, term: number, config: GroupConfig): Entry => ({
  index,
  term,
  kind: 'config',
  timeMs: 0,
  data: new Uint8Array(0),
  config,
});

function logOf(...terms: number[]): RaftLog {
  return new RaftLog({ index: 0, term: 0, config: FIRST }, entries(1, terms));
}

describe('an empty log', () => {
  test('ends with the snapshot it begins after', () => {
    const log = new RaftLog({ index: 7, term: 3, config: FIRST });
    expect([log.lastIndex, log.lastTerm, log.baseIndex, log.configIndex, log.lastTimeMs]).toEqual([7, 3, 7, 7, 0]);
    expect([log.termAt(6), log.termAt(7), log.termAt(8)]).toEqual([undefined, 3, undefined]);
  });

  test('takes nothing that does not follow, in index or term', () => {
    const log = logOf(1, 2);
    expect(() => log.append(entries(4, [2]))).toThrow('entry 4 follows 2');
    expect(() => log.append(entries(3, [1]))).toThrow('term 1 follows term 2');
  });

  test('leaves out stored entries that its snapshot stands for', () => {
    const log = new RaftLog({ index: 2, term: 1, config: FIRST }, entries(1, [1, 1, 2]));
    expect([log.lastIndex, log.baseIndex, log.termAt(3)]).toEqual([3, 2, 2]);
  });
});

describe('slices', () => {
  const log = logOf(1, 1, 2, 2, 2);

  test('include both ends and are the entries themselves', () => {
    const [second] = log.slice(2, 2);
    expect(log.slice(2, 4).map(({ index }) => index)).toEqual([2, 3, 4]);
    expect(log.slice(2, 4)[0]).toBe(second);
  });

  test.each([
    [3, [1, 2, 3]],
    [2, [1, 2]],
    [0, [1]],
    [99, [1, 2, 3, 4, 5]],
  ])('of at most %i bytes hold %j, but one in any case', (bytesMax, indexes) => {
    expect(log.sliceOfBytes(1, bytesMax).map(({ index }) => index)).toEqual(indexes);
  });
});

describe('the terms of a log (section 3.5, end)', () => {
  const log = logOf(1, 1, 1, 4, 4, 5, 5, 6, 6, 6);

  test.each([
    [1, 1],
    [3, 1],
    [5, 4],
    [6, 6],
    [10, 8],
  ])('the term of entry %i begins at %i', (index, first) => expect(log.firstIndexOfTermAt(index)).toBe(first));

  test.each([
    [0, 10, 0],
    [1, 10, 3],
    [2, 10, 3],
    [5, 10, 7],
    [6, 9, 9],
    [9, 10, 10],
  ])('the last entry of at most term %i up to index %i is %i', (term, index, last) => {
    expect(log.lastIndexUpToTerm(term, index)).toBe(last);
  });
});

describe('configurations (section 4.1)', () => {
  test('the latest in the log is in force, and the one before when it is cut off', () => {
    const log = logOf(1);
    log.append([configEntry(2, 1, groupOf('s1', 's2')), ...entries(3, [1]), configEntry(4, 1, groupOf('s1', 's2', 's3'))]);
    expect([log.configIndex, log.config.members.length]).toEqual([4, 3]);
    log.truncateFrom(4);
    expect([log.configIndex, log.config.members.length]).toEqual([2, 2]);
    log.truncateFrom(2);
    expect([log.configIndex, log.config]).toEqual([0, FIRST]);
  });

  test('compaction keeps the one in force, and those before it go', () => {
    const log = logOf(1);
    log.append([configEntry(2, 1, groupOf('s1', 's2')), ...entries(3, [1]), configEntry(4, 1, groupOf('s1', 's2', 's3'))]);
    log.compact(3, 0);
    log.truncateFrom(4);
    expect([log.configIndex, log.config.members.length]).toEqual([2, 2]);
  });
});

describe('compaction (section 5.1)', () => {
  test('keeps entries of so many bytes behind it', () => {
    const log = logOf(1, 1, 2, 2, 2);
    log.compact(4, 2);
    expect([log.mark, log.baseIndex, log.lastIndex]).toEqual([{ index: 4, term: 2 }, 2, 5]);
    expect([log.termAt(1), log.termAt(2), log.termAt(3)]).toEqual([undefined, 1, 2]);
    expect(log.slice(3, 5).map(({ index }) => index)).toEqual([3, 4, 5]);
  });

  test('keeps all of them where they fit, and moves on with the next', () => {
    const log = logOf(1, 1, 2, 2, 2);
    log.compact(2, 10);
    expect(log.baseIndex).toBe(0);
    log.compact(5, 1);
    expect([log.baseIndex, log.mark.index]).toEqual([4, 5]);
  });

  test('of everything leaves the last term and time', () => {
    const log = logOf(1, 2);
    log.compact(2, 0);
    expect([log.baseIndex, log.lastIndex, log.lastTerm, log.lastTimeMs]).toEqual([2, 2, 2, 102]);
  });

  test('never goes back, and never beyond the end', () => {
    const log = logOf(1, 2, 3);
    log.compact(2, 0);
    log.compact(1, 0);
    expect(log.mark.index).toBe(2);
    expect(() => log.compact(4, 0)).toThrow('compacted up to 4');
    expect(() => log.truncateFrom(2)).toThrow('2 is in a snapshot');
  });

  test('a snapshot of another server takes the place of all', () => {
    const log = logOf(1, 2, 3);
    log.reset({ index: 9, term: 5, config: groupOf('s1', 's2') });
    expect([log.lastIndex, log.lastTerm, log.baseIndex, log.configIndex, log.config.members.length]).toEqual([9, 5, 9, 9, 2]);
  });
});
