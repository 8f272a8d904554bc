import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkFiles } from '../../../../infra/cli/ui/nuwa-check.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import { encodeBatch } from '../../../../services/nuwa/core/member/batch.ts';
import type { DiskWrite, Entry, GroupConfig, RaftStored } from '../../../../services/nuwa/core/raft/types.ts';
import type { Command } from '../../../../services/nuwa/core/tree/command.ts';
import { nodeAt } from '../../../../services/nuwa/core/tree/state.ts';
import { segmentFile } from '../../../../services/nuwa/log/files.ts';
import type { Storage } from '../../../../services/nuwa/log/port.ts';
import { openStorage } from '../../../../services/nuwa/log/storage.ts';
import { bytes } from '../core/tree/script.ts';

const CONFIG: GroupConfig = { members: [{ id: 'n1', address: 'tcp://a', role: 'voter' }] };

let dir: string;
let opened: Storage[];
let seq: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-storage-'));
  opened = [];
  seq = 0;
});
afterEach(async () => {
  for (const storage of opened) await storage.close();
  rmSync(dir, { recursive: true });
});

async function open(from = dir, logBytesMax?: number): Promise<Storage> {
  const storage = await openStorage({ dir: from, initialConfig: CONFIG, logBytesMax }, silentLogger);
  opened.push(storage);
  return storage;
}

async function reopen(storage: Storage, from = dir): Promise<Storage> {
  await close(storage);
  return open(from);
}

async function close(storage: Storage): Promise<void> {
  await storage.close();
  opened = opened.filter((each) => each !== storage);
}

const entry = (index: number, term: number, text: string): Entry => ({
  index,
  term,
  kind: 'commands',
  timeMs: 1_000 + index,
  data: bytes(text),
});
const write = (entries: Entry[], hardState?: DiskWrite['hardState']): DiskWrite => ({
  seq: ++seq,
  entries,
  ...(hardState ? { hardState } : {}),
});
const textsOf = ({ entries }: Pick<RaftStored, 'entries'>): string[] =>
  entries.map(({ term, data }) => `${term}:${Buffer.from(data).toString()}`);

/** Entries that make and set nodes, as a leader would have them. */
function commandEntry(index: number, ...commands: Command[]): Entry {
  return { index, term: 1, kind: 'commands', timeMs: 1_000 + index, data: encodeBatch({ origin: 'n1#1', firstId: 1, commands }) };
}
const session = commandEntry(1, { kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'test' });
const made = (index: number, path: string, value: string): Entry =>
  commandEntry(index, { kind: 'create', path, value: bytes(value), session: 's', request: index, settled: index });

describe('the files of a server', () => {
  test('give back the hard state and the entries, every field of them, over any number of restarts', async () => {
    let storage = await open();
    expect(storage.stored).toEqual({
      hardState: { term: 0, vote: undefined },
      snapshot: { index: 0, term: 0, config: CONFIG },
      entries: [],
    });
    const config: GroupConfig = { members: [...CONFIG.members, { id: 'n2', address: 'tcp://b', role: 'learner' }] };
    const entries: Entry[] = [
      { index: 1, term: 3, kind: 'noop', timeMs: 0, data: new Uint8Array(0) },
      { index: 2, term: 3, kind: 'config', timeMs: 1_795_588_248_372, data: new Uint8Array(0), config },
      entry(3, 2 ** 40, 'x'),
    ];
    await storage.write([write(entries, { term: 2 ** 40, vote: 'n1' })]);
    for (let run = 0; run < 2; run++) {
      storage = await reopen(storage);
      expect(storage.stored).toEqual({
        hardState: { term: 2 ** 40, vote: 'n1' },
        snapshot: { index: 0, term: 0, config: CONFIG },
        entries,
      });
    }
    await storage.write([write([], { term: 2 ** 40 + 1, vote: undefined })]);
    expect((await reopen(storage)).stored.hardState).toEqual({ term: 2 ** 40 + 1, vote: undefined });
  });

  test('an entry voids those that stood at its index and after it', async () => {
    let storage = await open();
    await storage.write([write([entry(1, 1, 'a'), entry(2, 1, 'b'), entry(3, 1, 'c')])]);
    await storage.write([write([entry(2, 2, 'B')]), write([entry(3, 2, 'C'), entry(4, 2, 'D')])]);
    await storage.write([write([entry(4, 3, 'E')])]);
    storage = await reopen(storage);
    expect(textsOf(storage.stored)).toEqual(['1:a', '2:B', '2:C', '3:E']);
  });

  test('torn at any byte of the last frame they lose that frame and nothing before it, and go on from there', async () => {
    let storage = await open();
    await storage.write([write([entry(1, 1, 'one')], { term: 1, vote: 'n1' })]);
    const goodBytes = storage.logBytes;
    await storage.write([write([entry(2, 1, 'lost')], { term: 9, vote: 'n1' })]);
    const wholeBytes = storage.logBytes;
    await close(storage);
    const whole = readFileSync(join(dir, segmentFile(1))).subarray(0, wholeBytes);
    for (let length = goodBytes; length < whole.length; length++) {
      // Either the file ends there, or its length was written and the data was not.
      for (const torn of [whole.subarray(0, length), Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)])]) {
        if (torn.equals(whole)) continue;
        writeFileSync(join(dir, segmentFile(1)), torn);
        storage = await open();
        expect(textsOf(storage.stored), `torn at byte ${length}`).toEqual(['1:one']);
        expect(storage.stored.hardState.term).toBe(1);
        await storage.write([write([entry(2, 1, 'two')])]);
        storage = await reopen(storage);
        expect(textsOf(storage.stored), `after writing on, torn at byte ${length}`).toEqual(['1:one', '1:two']);
        await close(storage);
      }
    }
  });

  test('with a changed byte before the last frame they are refused, named, and left alone', async () => {
    const storage = await open();
    await storage.write([write([entry(1, 1, 'one')])]);
    await storage.write([write([entry(2, 1, 'two')])]);
    const lastBegins = storage.logBytes;
    await storage.write([write([entry(3, 1, 'three')])]);
    await close(storage);
    const path = join(dir, segmentFile(1));
    const whole = readFileSync(path);
    for (let at = 0; at < lastBegins; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(path, damaged);
      await expect(open(), `byte ${at}`).rejects.toThrow(/log-0000000001.*refusing to start/s);
      expect(readFileSync(path).equals(damaged)).toBe(true);
      expect((await checkFiles(dir)).sound, `byte ${at}`).toBe(false);
    }
  });

  test('a second server on the directory is refused', async () => {
    await open();
    await expect(openStorage({ dir, initialConfig: CONFIG }, silentLogger)).rejects.toThrow(/in use by process/);
  });

  test('a log whose first segment is missing, or has lost its first record, is refused: its vote is in there', async () => {
    const storage = await open();
    await storage.write([write([session, made(2, '/a', 'x')], { term: 3, vote: 'n1' })]);
    await storage.makeSnapshot(2);
    await close(storage);
    const last = join(dir, readdirSync(dir).findLast((name) => name.startsWith('log-'))!);
    const whole = readFileSync(last);
    writeFileSync(last, whole.subarray(0, 25));
    await expect(open()).rejects.toThrow(/first record is damaged/);
    expect((await checkFiles(dir)).sound).toBe(false);
    rmSync(last);
    await expect(open()).rejects.toThrow(/missing, and the log begins with it/);
    expect((await checkFiles(dir)).problems).toEqual([`${last.slice(dir.length + 1)} is missing: the log begins with it`]);
  });

  test('a log that has lost its end, or all of it before there was a snapshot, is refused: it has forgotten votes and entries', async () => {
    const small = () => openStorage({ dir, initialConfig: CONFIG, segmentBytesMax: 2_000, aheadBytes: 400 }, silentLogger);
    let storage = await small();
    const logs = (): string[] => readdirSync(dir).filter((name) => name.startsWith('log-'));
    for (let index = 1; logs().length < 3; index++)
      await storage.write([write([entry(index, 1, 'x'.repeat(300))], { term: 1, vote: 'n1' })]);
    await close(storage);
    const names = logs();
    const kept = mkdtempSync(join(tmpdir(), 'feitian-test-log-'));
    for (const gone of [names.slice(-1), names.slice(-2), names]) {
      for (const name of gone) renameSync(join(dir, name), join(kept, name));
      await expect(small(), gone.join()).rejects.toThrow(/log-000000000\d: it is missing, and the log (has had it|begins with it)/);
      expect((await checkFiles(dir)).problems, gone.join()).toEqual([expect.stringMatching(/^log-\d+ is missing/)]);
      for (const name of gone) renameSync(join(kept, name), join(dir, name));
    }
    rmSync(kept, { recursive: true });
    storage = await small();
    opened.push(storage);
    expect(storage.stored.entries.length).toBeGreaterThan(3);
  });

  test('what was handed over at once and is larger than a frame may be is all there', async () => {
    let storage = await open();
    const large = Array.from({ length: 23 }, (_, i) => entry(i + 1, 1, 'x'.repeat(3_000_000)));
    await storage.write([write(large, { term: 1, vote: 'n1' })]);
    storage = await reopen(storage);
    expect(storage.stored.entries.length).toBe(23);
    expect(storage.stored.entries.at(-1)!.data.length).toBe(3_000_000);
  });

  test('a log whose beginning is missing is refused', async () => {
    const storage = await open();
    await storage.write([write([entry(1, 1, 'one')])]);
    await close(storage);
    rmSync(join(dir, readdirSync(dir).find((name) => name.startsWith('snapshot-'))!));
    await expect(open()).rejects.toThrow(/the snapshot before it is missing/);
  });

  test('the first configuration is kept, whatever a later start says', async () => {
    await close(await open());
    const storage = await openStorage({ dir, initialConfig: { members: [] } }, silentLogger);
    opened.push(storage);
    expect(storage.stored.snapshot.config).toEqual(CONFIG);
  });
});

describe('a snapshot', () => {
  test('is made by another process out of files while writes go on, and takes the place of the log before it', async () => {
    let storage = await open();
    await storage.write([write([session, made(2, '/a', 'one'), made(3, '/b', 'two')], { term: 1, vote: 'n1' })]);
    const making = storage.makeSnapshot(2);
    for (let index = 4; index < 30; index++) await storage.write([write([made(index, `/n${index}`, 'x')])]);
    expect(await making).toEqual({ index: 2, term: 1, config: CONFIG });
    await storage.makeSnapshot(20);
    expect(storage.newestSnapshot()).toMatchObject({ index: 20, term: 1 });
    storage = await reopen(storage);
    const { stored } = storage;
    expect(stored.snapshot.index).toBe(20);
    expect(stored.hardState).toEqual({ term: 1, vote: 'n1' });
    expect(stored.entries.map(({ index }) => index)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29]);
    const { state, events } = storage.takeLoaded();
    expect(Buffer.from(nodeAt(state, '/b')!.value).toString()).toBe('two');
    expect(nodeAt(state, '/n20')).toBeDefined();
    expect(nodeAt(state, '/n21')).toBeUndefined();
    expect(events.at(-1)).toMatchObject({ path: '/n20', revision: state.revision });
    expect(await checkFiles(dir)).toMatchObject({ sound: true, problems: [] });
  });

  test('that cannot be made leaves all as it was', async () => {
    let storage = await open();
    await storage.write([write([session, made(2, '/a', 'one')], { term: 1, vote: undefined })]);
    await expect(storage.makeSnapshot(7)).rejects.toThrow(/the log reaches entry 2, not 7/);
    await storage.write([write([made(3, '/b', 'two')])]);
    expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    storage = await reopen(storage);
    expect(storage.stored.entries.map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test('of another server replaces the log, and what was written before it never comes back', async () => {
    const source = await open(join(dir, 'source'));
    await source.write([write([session, made(2, '/a', 'one')], { term: 5, vote: 'n1' })]);
    await source.makeSnapshot(2);
    const { index, bytes: length } = source.newestSnapshot();
    const read = async (offset: number, count: number): Promise<Uint8Array> => (await source.readSnapshot(index, offset, count))!;

    let storage = await open(join(dir, 'target'));
    // Entries beyond the snapshot, of a leader that lost: they contradict what the group has.
    await storage.write([write([entry(1, 1, 'x'), entry(2, 1, 'y'), entry(3, 1, 'z'), entry(4, 1, 'z')], { term: 4, vote: 'n2' })]);
    const loaded = await storage.installSnapshot(index, length, read);
    expect(nodeAt(loaded.state, '/a')).toBeDefined();
    storage = await reopen(storage, join(dir, 'target'));
    expect(storage.stored).toMatchObject({ hardState: { term: 4, vote: 'n2' }, snapshot: { index: 2, term: 1 }, entries: [] });
    await storage.write([write([made(3, '/c', 'three')])]);
    storage = await reopen(storage, join(dir, 'target'));
    expect(storage.stored.entries.map(({ index }) => index)).toEqual([3]);
  });

  test('that is cut short or damaged on its way is refused and installs nothing', async () => {
    const source = await open(join(dir, 'source'));
    await source.write([write([session, made(2, '/a', 'one')])]);
    await source.makeSnapshot(2);
    const { index, bytes: length } = source.newestSnapshot();
    const file = (await source.readSnapshot(index, 0, length))!;
    const storage = await open(join(dir, 'target'));
    await storage.write([write([entry(1, 1, 'x')], { term: 1, vote: undefined })]);
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x01;
      const installing = storage.installSnapshot(index, length, async (offset, count) => damaged.subarray(offset, offset + count));
      await expect(installing, `byte ${at}`).rejects.toThrow();
    }
    const cut = storage.installSnapshot(index, length, async (offset) => file.subarray(offset, Math.min(file.length - 5, offset + 64)));
    await expect(cut).rejects.toThrow(/ends at byte/);
    const again = await reopen(storage, join(dir, 'target'));
    expect(textsOf(again.stored)).toEqual(['1:x']);
  });
});

test('whatever was written and confirmed is there after a crash at any point of a random history', async () => {
  const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
  const random = seededRandom(seed);
  for (let round = 0; round < 15; round++) {
    const from = join(dir, `round-${round}`);
    mkdirSync(from);
    let log: Entry[] = [];
    let storage = await open(from);
    for (let step = 0; step < 30; step++) {
      const begin = 1 + (random.int(4) === 0 ? random.int(log.length + 1) : log.length);
      const entries = Array.from({ length: 1 + random.int(4) }, (_, i) =>
        entry(begin + i, step + 1, `${random.int(1_000_000)}`.repeat(random.int(20))),
      );
      await storage.write([write(entries, { term: step + 1, vote: 'n1' })]);
      log = [...log.slice(0, begin - 1), ...entries];
      if (random.int(5) > 0) continue;
      // A crash that tears what comes next: the files as they are, and some of the bytes of a frame.
      const endOffset = storage.logBytes;
      await close(storage);
      const path = join(from, segmentFile(1));
      const file = readFileSync(path).subarray(0, random.int(2) === 0 ? endOffset : undefined);
      if (random.int(2) === 0) writeFileSync(path, Buffer.concat([file, file.subarray(24, 24 + random.int(40))]));
      const where = `seed ${seed}, round ${round}, step ${step}`;
      storage = await open(from);
      expect(textsOf(storage.stored), where).toEqual(textsOf({ entries: log }));
      expect(storage.stored.hardState.term, where).toBe(step + 1);
    }
    await close(storage);
  }
});
