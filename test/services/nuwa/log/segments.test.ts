import { describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { snapshotFile } from '../../../../services/nuwa/log/files.ts';
import type { StorageHost } from '../../../../services/nuwa/log/host.ts';
import type { Storage, StorageOptions } from '../../../../services/nuwa/log/port.ts';
import { openStorage } from '../../../../services/nuwa/log/storage.ts';
import { CONFIG, DIR, entryOf, hostOf, Ledger, openOn } from './crash-run.ts';
import { MemoryFiles } from './memory-files.ts';

const SEGMENT_BYTES = 2_000;

function openWith(files: MemoryFiles, host: Partial<StorageHost>, clock = new ManualClock()): Promise<Storage> {
  const options: StorageOptions = { dir: DIR, initialConfig: CONFIG, aheadBytes: 512, segmentBytesMax: SEGMENT_BYTES };
  return openStorage(options, silentLogger, clock, { ...hostOf(files), ...host });
}

const segments = (files: MemoryFiles): string[] => files.names(DIR).filter((name) => name.startsWith('log-'));
const snapshots = (files: MemoryFiles): string[] => files.names(DIR).filter((name) => name.startsWith('snapshot-'));

async function fill(storage: Storage, ledger: Ledger, upTo: number): Promise<void> {
  for (let index = ledger.acknowledged.terms.length + 1; index <= upTo; index++)
    await ledger.write(storage, [entryOf(index, 1)], { term: index, vote: `n${index}` });
}

/** What another server would send: a snapshot of all entries up to this one. */
async function foreignSnapshot(index: number): Promise<Buffer> {
  const storage = await openOn(new MemoryFiles());
  await fill(storage, new Ledger(), index);
  await storage.makeSnapshot(index);
  return (await storage.readSnapshot(index, 0, 1 << 20))!;
}

/** A snapshotter that ends when it is told to. */
function heldMaker(files: MemoryFiles): StorageHost['makeSnapshot'] & { begun: Promise<void>; end(): void } {
  let begin = (): void => {};
  let end = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const make: StorageHost['makeSnapshot'] = async (order) => {
    const mark = await hostOf(files).makeSnapshot(order);
    begin();
    await ended;
    return mark;
  };
  return Object.assign(make, { begun, end: () => end() });
}

describe('a log whose snapshots fail', () => {
  test('is cut into segments by size all the same, and is whole after a start', async () => {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    const makeSnapshot = async (): Promise<never> => {
      throw new Error('no snapshot today');
    };
    let storage = await openWith(files, { makeSnapshot });
    for (let upTo = 50; upTo <= 200; upTo += 50) {
      await fill(storage, ledger, upTo);
      await expect(storage.makeSnapshot(upTo)).rejects.toThrow('no snapshot today');
    }
    await storage.close();
    // A write takes some 110 bytes; of five segments each would have begun with a snapshot that failed.
    expect(segments(files).length).toBeGreaterThan(8);
    for (const name of segments(files)) expect(await files.bytesOf(`${DIR}/${name}`)).toBeLessThan(SEGMENT_BYTES + 200 + 512);
    storage = await openWith(files, {});
    ledger.check(storage);
    await storage.makeSnapshot(200);
    await storage.close();
    expect(segments(files).length).toBe(1);
    storage = await openWith(files, {});
    ledger.check(storage);
  });

  test('goes on in the segment that it has where no other can be begun, and forgets no vote that came after that', async () => {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    let storage = await openWith(files, {});
    await fill(storage, ledger, 3);
    files.at = (_, call) => (call === `write ${DIR}/log-0000000002.tmp` ? Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }) : 'done');
    await expect(storage.makeSnapshot(3)).rejects.toThrow('ENOSPC');
    await fill(storage, ledger, 40);
    await storage.close();
    expect(segments(files)).toEqual(['log-0000000001']);
    expect(files.names(DIR).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    files.at = () => 'done';
    storage = await openWith(files, {});
    ledger.check(storage);
    expect(storage.stored.hardState).toEqual({ term: 40, vote: 'n40' });
    // Past its bound, it is ended as soon as that goes.
    await fill(storage, ledger, 41);
    await vi.waitFor(() => expect(segments(files)).toEqual(['log-0000000001', 'log-0000000002']));
    await storage.close();
    storage = await openWith(files, {});
    ledger.check(storage);
  });

  test.each([
    ['the rename', 'rename '],
    ['the sync of the directory', `sync ${DIR}`],
  ])(
    'takes no write more where nobody knows whether the next segment is there, as %s failed: its vote must not grow old',
    async (_, call) => {
      const files = new MemoryFiles();
      const ledger = new Ledger();
      const storage = await openWith(files, {});
      await fill(storage, ledger, 3);
      let met = 0;
      files.at = (_step, made) => (made.startsWith(call) && met++ === 0 ? new Error('EIO') : 'done');
      await expect(storage.makeSnapshot(3)).rejects.toThrow('EIO');
      await expect(ledger.write(storage, [], { term: 9, vote: 'n9' })).rejects.toThrow(/^the log could not be written: EIO/);
      ledger.underWay = undefined;
      for (const how of ['lost', 'kept'] as const) {
        const again = await openWith(files.afterCrash(how), {});
        ledger.check(again);
        expect(again.stored.hardState).toEqual({ term: 3, vote: 'n3' });
      }
    },
  );
});

describe('a snapshot that a newer one has replaced', () => {
  test('goes as soon as the newer one is durable, when nobody reads it', async () => {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    const storage = await openWith(files, {});
    await fill(storage, ledger, 5);
    await storage.makeSnapshot(3);
    expect(snapshots(files)).toEqual([snapshotFile({ index: 3, segment: 1 })]);
    await storage.makeSnapshot(5);
    expect(snapshots(files).map((name) => name.slice(0, 25))).toEqual(['snapshot-0000000000000005']);
    expect(await storage.readSnapshot(3, 0, 100)).toBeUndefined();
  });

  test('stays for a minute for who reads it, and goes then by itself', async () => {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    const clock = new ManualClock();
    const storage = await openWith(files, {}, clock);
    await fill(storage, ledger, 5);
    await storage.makeSnapshot(3);
    const begin = (await storage.readSnapshot(3, 0, 10))!;
    await storage.makeSnapshot(5);
    clock.advance(59_000);
    expect((await storage.readSnapshot(3, 0, 10))!.equals(begin)).toBe(true);
    clock.advance(1_000);
    await vi.waitFor(() => expect(snapshots(files).length).toBe(1));
    expect(await storage.readSnapshot(3, 0, 10)).toBeUndefined();
    await storage.close();
  });
});

describe('a snapshot that is made while another server’s is taken over', () => {
  test.each([
    ['further on than it', 9],
    ['not as far as it', 4],
  ])('one %s: it does not count, nothing is left of it, and the files are whole', async (_, index) => {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    const foreign = await foreignSnapshot(index);
    const makeSnapshot = heldMaker(files);
    const storage = await openWith(files, { makeSnapshot });
    await fill(storage, ledger, 6);
    const made = storage.makeSnapshot(6);
    const refused = expect(made).rejects.toThrow(`a snapshot of 6 comes after one of ${index}`);
    await makeSnapshot.begun;
    await ledger.install(storage, index, 1, foreign);
    makeSnapshot.end();
    await refused;
    expect(files.names(DIR).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await ledger.write(storage, [entryOf(index + 1, 7)], { term: 50, vote: 'n1' });
    await storage.close();
    for (const how of ['lost', 'kept'] as const) {
      const again = await openWith(files.afterCrash(how), {});
      ledger.check(again);
    }
  });
});

test('whichever of its files are gone, a voter does not start, or starts with all that it acknowledged, or may not vote any more', async () => {
  for (const snapshotAt of [undefined, 20]) {
    const files = new MemoryFiles();
    const ledger = new Ledger();
    const storage = await openWith(files, {});
    await storage.birth.becomeVoter();
    await fill(storage, ledger, 20);
    if (snapshotAt !== undefined) await storage.makeSnapshot(snapshotAt);
    await fill(storage, ledger, 60);
    await storage.close();
    const names = files.names(DIR);
    expect(names.length).toBeGreaterThan(4);
    const startedWithout: string[] = [];
    for (let gone = 0; gone < 2 ** names.length; gone++) {
      const without = names.filter((_, i) => gone & (1 << i));
      const disk = files.afterCrash('kept');
      for (const name of without) await disk.remove(`${DIR}/${name}`);
      const again = await openWith(disk, {}).catch((error: unknown) => error);
      if (again instanceof Error)
        expect(again, without.join()).toMatchObject({ name: 'LogDamage', message: expect.stringContaining('members remove') });
      else if ((again as Storage).birth.mayVote) startedWithout.push(without.join());
      if (again instanceof Error || !(again as Storage).birth.mayVote) continue;
      // Without a birth, and without a word of how far it reached, what is left of a log looks as an older version's does.
      const left = names.filter((name) => !without.includes(name));
      if (without.includes('birth'))
        expect([left.some((name) => name.startsWith('reached-')), left.some((name) => name.startsWith('log-'))], without.join()).toEqual([
          false,
          true,
        ]);
      else ledger.check(again as Storage);
    }
    expect(startedWithout[0]).toBe('');
  }
});
