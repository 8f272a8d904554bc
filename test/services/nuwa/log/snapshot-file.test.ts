import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import type { NuwaEvent } from '../../../../services/nuwa/contract.ts';
import { MemberTree } from '../../../../services/nuwa/core/member/tree.ts';
import type { GroupConfig } from '../../../../services/nuwa/core/raft/types.ts';
import { applyBatch } from '../../../../services/nuwa/core/tree/apply.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../services/nuwa/core/tree/snapshot.ts';
import { newState } from '../../../../services/nuwa/core/tree/state.ts';
import { LogDamage } from '../../../../services/nuwa/log/damage.ts';
import type { LoadedSnapshot } from '../../../../services/nuwa/log/port.ts';
import { checkSnapshot, loadSnapshot, snapshotMark, writeSnapshot } from '../../../../services/nuwa/log/snapshot-file.ts';
import { randomEntries, timeOf } from '../core/tree/random-entries.ts';
import { bytes, TreeScript } from '../core/tree/script.ts';

const CONFIG: GroupConfig = {
  members: [
    { id: 'n1', address: 'tcp://a:1', role: 'voter' },
    { id: 'n2', address: 'tcp://b:1', role: 'learner' },
  ],
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-snapshot-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const at = (name: string): string => join(dir, name);

/** Whatever a random history leads to, with the events of its later half. */
function randomSnapshot(seed: number, entries = 80): LoadedSnapshot {
  const tree = new MemberTree({ eventsMax: 40, bytesMax: 1_000_000 }, newState(), []);
  for (const [i, commands] of randomEntries(seededRandom(seed), entries).entries()) {
    tree.apply({ index: i + 1, term: 1, kind: 'commands', timeMs: timeOf(i + 1), data: bytes('') }, commands, []);
  }
  const { state, events } = tree;
  return { mark: { index: state.index, term: 3, config: CONFIG }, state, events: events.newest(100_000) };
}

/** A few nodes and a session, for tests that go through a file byte by byte. */
function smallSnapshot(): LoadedSnapshot {
  const { state } = new TreeScript();
  const events: NuwaEvent[] = [];
  const create = { kind: 'create', session: 's1', request: 1, settled: 1, path: '/a/b', value: bytes('value'), parents: true } as const;
  for (const applied of applyBatch(state, [create], { index: 3, nowMs: 3 })) events.push(...applied.events);
  return { mark: { index: 3, term: 2, config: CONFIG }, state, events };
}

const plain = ({ mark, state, events }: LoadedSnapshot): unknown => ({
  mark,
  tree: takeSnapshot(state),
  // The value of an event is a Buffer or a Uint8Array, as it came.
  events: events.map((event) => ({ ...event, value: event.value && [...event.value] })),
});

describe('a snapshot file', () => {
  test('gives back what was written, whatever history led to it', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const snapshot = randomSnapshot(seed);
      await writeSnapshot(dir, `s${seed}`, snapshot);
      const loaded = await loadSnapshot(at(`s${seed}`));
      expect(plain(loaded), `seed ${seed}`).toEqual(plain(snapshot));
      expect(await snapshotMark(at(`s${seed}`))).toEqual(snapshot.mark);
      expect(await checkSnapshot(at(`s${seed}`))).toEqual({
        mark: snapshot.mark,
        revision: snapshot.state.revision,
        sessions: snapshot.state.sessions.size,
        nodes: snapshot.state.nodes + 1,
        events: snapshot.events.length,
        bytes: statSync(at(`s${seed}`)).size,
      });
    }
  });

  test('of a tree that was never written to is one too', async () => {
    const empty: LoadedSnapshot = { mark: { index: 0, term: 0, config: { members: [] } }, state: newState(), events: [] };
    await writeSnapshot(dir, 's', empty);
    expect(plain(await loadSnapshot(at('s')))).toEqual(plain(empty));
  });

  test('holds passwords, replies that may be asked for again, values up to 1 MiB and names of any Unicode', async () => {
    const script = new TreeScript();
    script.apply({ kind: 'openSession', session: 'p', ttlMs: 7_000, creator: '女娲', password: bytes('secret') });
    script.write({ kind: 'create', path: '/飞天', value: new Uint8Array(1_048_576).fill(255), ephemeral: true }, 'p', {
      settled: 1,
      wantStat: true,
    });
    const snapshot: LoadedSnapshot = { mark: { index: script.state.index, term: 1, config: CONFIG }, state: script.state, events: [] };
    await writeSnapshot(dir, 's', snapshot);
    const { state } = await loadSnapshot(at('s'));
    // An `expect` of that many bytes takes seconds.
    expect(isDeepStrictEqual(takeSnapshot(state), takeSnapshot(script.state))).toBe(true);
    expect(Buffer.from(state.sessions.get('p')!.password!).toString()).toBe('secret');
    expect(state.sessions.get('p')!.replies.size).toBe(1);
  });

  test('can be read back also where the replies of one session are more than a frame may hold', async () => {
    const script = new TreeScript();
    const operations = Array.from({ length: 1_000 }, (_, i) => ({ kind: 'set', path: '/', value: bytes(`${i}`) }) as const);
    const session = script.state.sessions.get('s1')!;
    script.apply({ kind: 'transaction', operations, session: 's1', request: 1, settled: 1, wantStat: true });
    const reply = session.replies.get(1)!;
    for (let request = 2; request <= 700; request++) session.replies.set(request, reply);
    await writeSnapshot(dir, 's', { mark: { index: script.state.index, term: 1, config: CONFIG }, state: script.state, events: [] });
    expect(statSync(at('s')).size).toBeGreaterThan(64 * 1024 * 1024);
    const loaded = (await loadSnapshot(at('s'))).state.sessions.get('s1')!;
    expect(loaded.replies.size).toBe(700);
    expect(loaded.replies.get(700)).toEqual(reply);
  });

  test('is the same, byte by byte, for equal states and events, however they came about', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const snapshot = randomSnapshot(seed);
      const restored = restoreSnapshot(structuredClone(takeSnapshot(snapshot.state)));
      await writeSnapshot(dir, 'lived', snapshot);
      await writeSnapshot(dir, 'restored', { ...snapshot, state: restored });
      await writeSnapshot(dir, 'loaded', await loadSnapshot(at('lived')));
      const file = readFileSync(at('lived'));
      expect(readFileSync(at('restored')).equals(file), `seed ${seed}`).toBe(true);
      expect(readFileSync(at('loaded')).equals(file), `seed ${seed}`).toBe(true);
      // And another one where anything differs.
      await writeSnapshot(dir, 'later', { ...snapshot, mark: { ...snapshot.mark, term: 4 } });
      expect(readFileSync(at('later')).equals(file)).toBe(false);
    }
  });

  test('leaves the event loop free between frames, both ways', async () => {
    const script = new TreeScript();
    for (let i = 0; i < 20_000; i++) script.create(`/n-${i}`, { value: new Uint8Array(100) });
    const snapshot: LoadedSnapshot = { mark: { index: script.state.index, term: 1, config: CONFIG }, state: script.state, events: [] };
    const turnsOf = async (work: Promise<unknown>): Promise<number> => {
      let turns = 0;
      let busy = true;
      void work.finally(() => {
        busy = false;
      });
      for (; busy; turns++) await nextTurn();
      await work;
      return turns;
    };
    // 2.5 MB, so ten frames.
    expect(await turnsOf(writeSnapshot(dir, 's', snapshot))).toBeGreaterThanOrEqual(10);
    expect(await turnsOf(loadSnapshot(at('s')))).toBeGreaterThanOrEqual(5);
  });
});

describe('a damaged snapshot file is refused, the place named, with', () => {
  let whole: Buffer;
  const refused = async (where: string): Promise<void> => {
    await expect(loadSnapshot(at('s')), where).rejects.toThrow(LogDamage);
    await expect(checkSnapshot(at('s')), where).rejects.toThrow(/^\S+\/s: .*(header|byte \d+)/);
  };
  beforeEach(async () => {
    await writeSnapshot(dir, 's', smallSnapshot());
    whole = readFileSync(at('s'));
  });

  test('any bit of it turned', async () => {
    for (let i = 0; i < whole.length; i++) {
      const damaged = Buffer.from(whole);
      damaged[i]! ^= 1 << (i % 8);
      writeFileSync(at('s'), damaged);
      await refused(`byte ${i}`);
    }
  });

  test('its end missing, from any byte on', async () => {
    for (let length = whole.length - 1; length >= 0; length--) {
      truncateSync(at('s'), length);
      await refused(`cut to ${length} bytes`);
    }
  });

  test('zeros in the place of its end, from any byte on: its length was written and its data was not', async () => {
    for (let length = whole.length - 1; length >= 0; length--) {
      if (whole.subarray(length).every((byte) => byte === 0)) continue;
      writeFileSync(at('s'), Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)]));
      await refused(`zeros from byte ${length} on`);
    }
  });

  test('anything behind its end', async () => {
    appendFileSync(at('s'), whole.subarray(-20));
    await expect(checkSnapshot(at('s'))).rejects.toThrow(`something follows its end at byte ${whole.length}`);
    writeFileSync(at('s'), Buffer.concat([whole, Buffer.of(0)]));
    await refused('a byte more');
  });

  test('a frame missing, or there twice', async () => {
    // The frames, by their lengths.
    const frames: Buffer[] = [];
    for (let from = 20; from < whole.length; ) {
      const end = from + 12 + whole.readUInt32BE(from + 4);
      frames.push(whole.subarray(from, end));
      from = end;
    }
    expect(frames.length).toBe(5);
    for (let i = 0; i < frames.length; i++) {
      writeFileSync(at('s'), Buffer.concat([whole.subarray(0, 20), ...frames.toSpliced(i, 1)]));
      await refused(`without frame ${i}`);
      writeFileSync(at('s'), Buffer.concat([whole.subarray(0, 20), ...frames.toSpliced(i, 0, frames[i]!)]));
      await refused(`frame ${i} twice`);
    }
  });

  test('a frame of another snapshot in the place of its own', async () => {
    const other = smallSnapshot();
    await writeSnapshot(dir, 'other', { ...other, mark: { ...other.mark, term: 9 } });
    const others = readFileSync(at('other'));
    expect(others.length).toBe(whole.length);
    const second = 20 + 12 + whole.readUInt32BE(24);
    writeFileSync(at('s'), Buffer.concat([whole.subarray(0, second), others.subarray(second)]));
    await expect(checkSnapshot(at('s'))).rejects.toThrow(`it is damaged at byte ${second}`);
  });
});

describe('a snapshot that cannot be written', () => {
  test('leaves nothing behind, and the one of that name as it was', async () => {
    await writeSnapshot(dir, 's', smallSnapshot());
    const before = readFileSync(at('s'));
    const broken = smallSnapshot();
    // biome-ignore lint/suspicious/noExplicitAny: no event is like this
    const events = [{ kind: 'created', path: '/a', revision: 1, value: { get length(): number { throw new Error('the disk is gone'); } } }] as any; // biome-ignore format: short
    await expect(writeSnapshot(dir, 's', { ...broken, events })).rejects.toThrow('the disk is gone');
    expect(readdirSync(dir)).toEqual(['s']);
    expect(readFileSync(at('s')).equals(before)).toBe(true);
  });
});
