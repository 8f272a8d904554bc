import { describe, expect, it, test } from 'vitest';
import { FSCK_KINDS, type FsckChunk, type FsckFile, judgeChunk, judgeFile, severityOf } from '../../../../services/pangu/core/fsck.ts';

const SERVERS = [
  { id: 'n1', rack: 'r1' },
  { id: 'n2', rack: 'r1' },
  { id: 'n3', rack: 'r2' },
  { id: 'n4', rack: 'r2' },
];
const without = (...ids: string[]) => SERVERS.filter(({ id }) => !ids.includes(id));
const chunk = (nodes: string[], more: Partial<FsckChunk> = {}): FsckChunk => ({ state: 'sealed', length: 10, wanted: 3, nodes, ...more });
const kinds = (...asked: Parameters<typeof judgeChunk>): string[] => judgeChunk(...asked).map(({ kind }) => kind);

describe('a chunk', () => {
  test.each([
    ['has all that it wants', chunk(['n1', 'n2', 'n3']), SERVERS, [], []],
    ['has too few', chunk(['n1', 'n3']), SERVERS, [], ['under']],
    ['has as many as there are servers', chunk(['n1', 'n3']), without('n2', 'n4'), [], []],
    ['waits for a server that restarts', chunk(['n1', 'n2', 'n3']), without('n3'), [], ['away']],
    ['has one on a dead server', chunk(['n1', 'n2', 'n3']), without('n3'), ['n3'], ['under', 'crowded']],
    ['has enough beside the one on a dead server', chunk(['n1', 'n2', 'n3', 'n4']), without('n3'), ['n3'], []],
    ['cannot be read', chunk(['n1', 'n2']), without('n1', 'n2'), [], ['unavailable']],
    ['is lost for now', chunk(['n1'], { wanted: 1 }), without('n1'), ['n1'], ['unavailable', 'under']],
    ['has no replica at all', chunk([], { wanted: 1 }), SERVERS, [], ['unavailable', 'under']],
    ['has too many', chunk(['n1', 'n2', 'n3'], { wanted: 2 }), SERVERS, [], ['over']],
    ['is in one rack of two', chunk(['n1', 'n2'], { wanted: 2 }), SERVERS, [], ['crowded']],
    ['is in the only rack', chunk(['n1', 'n2'], { wanted: 2 }), without('n3', 'n4'), [], []],
    ['is being written to by whoever looks after it', chunk(['n1'], { state: 'open' }), SERVERS, [], []],
    ['was given out and not begun', chunk(['n1'], { state: 'open', length: 0 }), without('n1'), [], []],
  ])('that %s', (_, judged, servers, dead, expected) => {
    expect(kinds(judged, servers, dead)).toEqual(expected);
  });
});

describe('a file', () => {
  const file = (more: Partial<FsckFile> = {}): FsckFile => ({
    state: 'closed',
    kind: 'append',
    size: 10,
    bytes: 10,
    whole: true,
    writer: null,
    idleMs: 0,
    ...more,
  });
  const nobody = new Set<string>();
  test.each([
    ['is whole', file(), nobody, []],
    ['has a gap', file({ whole: false }), nobody, ['holes']],
    ['says another size', file({ size: 11 }), nobody, ['size']],
    ['has holes, which a random file may have', file({ kind: 'random', size: 11, bytes: 64, whole: false }), nobody, []],
    ['is written by somebody', file({ state: 'open', whole: false, writer: 'w1' }), new Set(['w1']), []],
    ['is written by somebody who is gone', file({ state: 'open', writer: 'w1' }), nobody, ['abandoned']],
    ['is written by somebody of whom nobody knows', file({ state: 'open', writer: 'w1' }), undefined, []],
    ['is written by nobody who gave a name', file({ state: 'open' }), nobody, []],
    ['was left an hour ago', file({ state: 'open', idleMs: 3_600_001 }), nobody, ['abandoned']],
  ])('that %s', (_, judged, writers, expected) => {
    expect(judgeFile(judged, writers).map(({ kind }) => kind)).toEqual(expected);
  });
});

it('is clean in spite of warnings alone', () => {
  expect(FSCK_KINDS.filter((kind) => severityOf(kind) === 'warning')).toEqual(['away', 'over', 'crowded', 'unverified']);
});
