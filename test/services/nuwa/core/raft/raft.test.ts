import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { Raft } from '../../../../../services/nuwa/core/raft/raft.ts';
import type { Effects, GroupConfig, RaftStored } from '../../../../../services/nuwa/core/raft/types.ts';

const ALONE: GroupConfig = { members: [{ id: 's1', address: 'a1', role: 'voter' }] };

function start(stored: Partial<RaftStored> = {}): Raft {
  return new Raft({
    id: 's1',
    stored: { hardState: { term: 0, vote: undefined }, snapshot: { index: 0, term: 0, config: ALONE }, entries: [], ...stored },
    timing: { electionTicks: 10, heartbeatTicks: 3 },
    limits: { appendBytesMax: 1000, inflightMax: 4, keptBytesMax: 0 },
    random: seededRandom(1),
  });
}

/** Leads a group of one; its first entry is committed. */
function startLeading(): Raft {
  const raft = start();
  written(raft, written(raft, raft.step({ kind: 'campaign' })));
  return raft;
}

function written(raft: Raft, effects: Effects): Effects {
  return raft.step({ kind: 'written', seq: effects.write!.seq });
}

describe('a group of one', () => {
  test('commits what its own disk has', () => {
    const raft = startLeading();
    const data = new Uint8Array([1, 2, 3]);
    const proposed = raft.step({ kind: 'propose', timeMs: 5, payloads: [data] });
    expect([proposed.proposed, proposed.committed]).toEqual([{ firstIndex: 2, term: 1 }, []]);
    const { committed } = written(raft, proposed);
    expect(committed.map(({ index, term, kind, timeMs }) => ({ index, term, kind, timeMs }))).toEqual([
      { index: 2, term: 1, kind: 'commands', timeMs: 5 },
    ]);
    expect(committed[0]!.data).toBe(data);
  });

  test('makes one entry of each payload, with a time that never goes back', () => {
    const raft = startLeading();
    const payloads = [new Uint8Array(1), new Uint8Array(2)];
    raft.step({ kind: 'propose', timeMs: 9, payloads });
    const { write } = raft.step({ kind: 'propose', timeMs: 7, payloads });
    expect(write!.entries.map(({ index, timeMs, data }) => [index, timeMs, data.length])).toEqual([
      [4, 9, 1],
      [5, 9, 2],
    ]);
  });

  test('after a restart, applies nothing before an entry of a new term is committed', () => {
    const entries = [1, 2].map((index) => ({ index, term: 1, kind: 'commands' as const, timeMs: index, data: new Uint8Array(1) }));
    const raft = start({ hardState: { term: 1, vote: 's1' }, entries });
    const elected = written(raft, raft.step({ kind: 'campaign' }));
    expect([raft.role, raft.term, elected.committed]).toEqual(['leader', 2, []]);
    expect(elected.write!.entries[0]!.timeMs).toBe(2);
    expect(written(raft, elected).committed.map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test('waits between one and one and a half election timeouts before it runs (section 3.4)', () => {
    const waits = new Set<number>();
    for (let seed = 1; seed <= 200; seed++) {
      const raft = new Raft({
        id: 's1',
        stored: { hardState: { term: 0, vote: undefined }, snapshot: { index: 0, term: 0, config: ALONE }, entries: [] },
        timing: { electionTicks: 10, heartbeatTicks: 3 },
        limits: { appendBytesMax: 1000, inflightMax: 4, keptBytesMax: 0 },
        random: seededRandom(seed),
      });
      let ticks = 1;
      while (raft.step({ kind: 'tick' }).write === undefined) ticks++;
      waits.add(ticks);
    }
    expect([...waits].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15]);
  });
});

describe('what the owner says wrongly is a bug of the owner', () => {
  test('a compaction beyond what was given out', () => {
    expect(() => startLeading().step({ kind: 'compacted', index: 2 })).toThrow('compacted up to 2');
  });

  test('a snapshot that was not asked for', () => {
    const mark = { index: 9, term: 1, config: ALONE };
    expect(() => startLeading().step({ kind: 'snapshotLoaded', mark })).toThrow('nobody waits for');
  });

  test('a log that is newer than the hard state', () => {
    const entries = [{ index: 1, term: 3, kind: 'commands' as const, timeMs: 0, data: new Uint8Array(0) }];
    expect(() => start({ entries })).toThrow('the log is of term 3');
  });
});

test('a server that no group has in it never runs', () => {
  const raft = start({ snapshot: { index: 0, term: 0, config: { members: [] } } });
  for (let i = 0; i < 50; i++) expect(raft.step({ kind: 'tick' })).toMatchObject({ messages: [], afterWrite: [] });
  raft.step({ kind: 'campaign' });
  expect([raft.role, raft.term]).toEqual(['follower', 0]);
});
