import { beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import type { GroupConfig } from '../../../../services/nuwa/core/raft/types.ts';
import type { Storage } from '../../../../services/nuwa/log/port.ts';
import { restoreFiles } from '../../../../services/nuwa/log/restore.ts';
import { DIR, entryOf, hostOf, Ledger, openOn } from './crash-run.ts';
import { type Fate, MemoryFiles } from './memory-files.ts';

const SEED = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
const SMALL = { segmentBytesMax: 900 };

/** Another server's snapshot, and up to where it reaches. */
const FOREIGN_INDEX = 30;
const FOREIGN_TERM = 4;
let foreign: Buffer;
beforeAll(async () => {
  const files = new MemoryFiles();
  const storage = await openOn(files);
  const entries = Array.from({ length: FOREIGN_INDEX }, (_, i) => entryOf(i + 1, i === 0 ? 1 : FOREIGN_TERM));
  await new Ledger().write(storage, entries, { term: FOREIGN_TERM, vote: 'n2' });
  await storage.makeSnapshot(FOREIGN_INDEX);
  foreign = (await storage.readSnapshot(FOREIGN_INDEX, 0, 1 << 20))!;
  await storage.close();
});

/** All that a server does with its files: it begins them, votes, writes, voids, rotates, makes snapshots, and takes over another one's. */
async function live(files: MemoryFiles, ledger: Ledger): Promise<Storage> {
  return await liveOn(await openOn(files, SMALL), ledger);
}

async function liveOn(storage: Storage, ledger: Ledger): Promise<Storage> {
  await ledger.write(storage, [entryOf(1, 1)], { term: 1, vote: 'n1' });
  await ledger.write(storage, [entryOf(2, 1), entryOf(3, 1)]);
  await ledger.write(storage, [entryOf(4, 1), entryOf(5, 1), entryOf(6, 1)]);
  await ledger.write(storage, [entryOf(5, 2)], { term: 2, vote: undefined });
  await storage.makeSnapshot(3);
  await ledger.write(storage, [], { term: 3, vote: 'n3' });
  for (let index = 6; index < 20; index++) await ledger.write(storage, [entryOf(index, 3)]);
  await storage.makeSnapshot(12);
  await ledger.write(storage, [entryOf(20, 3)]);
  await ledger.install(storage, FOREIGN_INDEX, FOREIGN_TERM, foreign);
  await ledger.write(storage, [entryOf(31, 4), entryOf(32, 4)], { term: 4, vote: 'n1' });
  await storage.makeSnapshot(32);
  await ledger.write(storage, [entryOf(33, 4)]);
  return storage;
}

/** What was promised is there, and stays while the server goes on. */
async function goesOn(files: MemoryFiles, ledger: Ledger): Promise<void> {
  let storage = await openOn(files, SMALL);
  ledger.check(storage);
  expect(files.names(DIR).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  const { hardState, terms } = ledger.acknowledged;
  const next = terms.length + 1;
  await ledger.write(storage, [entryOf(next, next === 1 ? 1 : 9)], { term: hardState.term + 5, vote: 'n2' });
  await storage.close();
  storage = await openOn(files, SMALL);
  ledger.check(storage);
  await storage.close();
}

/** How often each kind of call is made over a whole life. */
async function wholeLife(): Promise<string[]> {
  const files = new MemoryFiles();
  const ledger = new Ledger();
  const storage = await live(files, ledger);
  await storage.close();
  await goesOn(files, ledger);
  return files.calls;
}

const LEFT = ['lost', 'kept', 'some', 'some'] as const;
const crashAt =
  (step: number) =>
  (now: number): Fate =>
    now === step ? 'crash' : 'done';

describe('after a crash at every step of a life, whatever of what was not synced it leaves', () => {
  test('all that was acknowledged is there, the vote among it, and the server goes on', async () => {
    const steps = (await wholeLife()).length;
    const random = seededRandom(SEED);
    let crashes = 0;
    for (let step = 1; step <= steps; step++) {
      const files = new MemoryFiles();
      files.at = crashAt(step);
      const ledger = new Ledger();
      await live(files, ledger).catch((error: unknown) => {
        if (!files.crashed) throw error;
      });
      // What goes on by itself, as a segment being ended, comes to its crash too.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      if (!files.crashed) continue;
      crashes++;
      for (const how of LEFT) {
        const left = files.afterCrash(how === 'some' ? random : how);
        const told = new Ledger();
        Object.assign(told, { acknowledged: ledger.acknowledged, underWay: ledger.underWay });
        const where = `seed ${SEED}, crash at step ${step} (${files.calls.at(-1)}), ${how} left`;
        await goesOn(left, told).catch((cause: unknown) => expect.fail(`${where}: ${cause}`));
      }
    }
    expect(crashes).toBeGreaterThan(200);
  });

  test('and at any step of the start after it', async () => {
    const steps = (await wholeLife()).length;
    const random = seededRandom(SEED);
    for (let round = 0; round < 60; round++) {
      const step = 1 + random.int(steps);
      const files = new MemoryFiles();
      files.at = crashAt(step);
      const ledger = new Ledger();
      await live(files, ledger).catch(() => {});
      if (!files.crashed) continue;
      const first = files.afterCrash(random);
      for (let again = 1; ; again++) {
        const left = first.afterCrash('kept');
        left.at = crashAt(again);
        const started = await openOn(left, SMALL).catch(() => undefined);
        if (started && !left.crashed) break;
        const told = new Ledger();
        Object.assign(told, { acknowledged: ledger.acknowledged, underWay: ledger.underWay });
        const where = `seed ${SEED}, round ${round}, crash at step ${step} (${files.calls.at(-1)}), and at ${again} (${left.calls.at(-1)})`;
        await goesOn(left.afterCrash(random), told).catch((cause: unknown) => expect.fail(`${where}: ${cause}`));
      }
    }
  });

  test('what a start found is there after the next crash too: it was read from what no sync had confirmed, and is relied on from then on', async () => {
    const steps = (await wholeLife()).length;
    const random = seededRandom(SEED);
    let deaths = 0;
    for (let step = 1; step <= steps; step++) {
      const files = new MemoryFiles();
      files.at = crashAt(step);
      const ledger = new Ledger();
      await live(files, ledger).catch((error: unknown) => {
        if (!files.crashed) throw error;
      });
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      if (!files.crashed) continue;
      deaths++;
      const where = `seed ${SEED}, the process dies at step ${step} (${files.calls.at(-1)})`;
      const found = files.afterDeath();
      try {
        ledger.check(await openOn(found, SMALL));
        for (const how of ['lost', random] as const) {
          const again = await openOn(found.afterCrash(how), SMALL);
          ledger.check(again);
          await again.close();
        }
      } catch (cause) {
        expect.fail(`${where}: ${cause}`);
      }
    }
    expect(deaths).toBeGreaterThan(200);
  });

  test('a restore is refused as a half one or is whole, and can be done again', async () => {
    const config: GroupConfig = { members: [{ id: 'new', address: 'tcp://b', role: 'voter' }] };
    const restore = (files: MemoryFiles): Promise<unknown> => {
      const read = async (offset: number, bytes: number): Promise<Uint8Array> => foreign.subarray(offset, offset + bytes);
      const order = { dir: DIR, config, index: FOREIGN_INDEX, bytes: foreign.length, read };
      return restoreFiles(order, silentLogger, new ManualClock(), hostOf(files));
    };
    const whole = async (files: MemoryFiles): Promise<void> => {
      const storage = await openOn(files);
      const { snapshot, hardState, entries } = storage.stored;
      expect({ snapshot, hardState, entries }).toMatchObject({
        snapshot: { index: FOREIGN_INDEX, term: FOREIGN_TERM },
        hardState: { term: FOREIGN_TERM },
        entries: [{ index: FOREIGN_INDEX + 1, kind: 'config', config }],
      });
      await storage.close();
    };
    const random = seededRandom(SEED);
    const outcomes = { refused: 0, empty: 0, whole: 0 };
    for (let step = 1; ; step++) {
      const files = new MemoryFiles();
      files.at = crashAt(step);
      await restore(files).catch((error: unknown) => {
        if (!files.crashed) throw error;
      });
      if (!files.crashed) break;
      for (const how of LEFT) {
        const left = files.afterCrash(how === 'some' ? random : how);
        const where = `seed ${SEED}, crash at step ${step} (${files.calls.at(-1)}), ${how} left`;
        const names = await left.list(DIR).catch(() => []);
        const problem = await whole(left).catch((error: Error) => error.message);
        if (problem === undefined) outcomes.whole++;
        else if (names.length === 0) outcomes.empty++;
        else {
          expect(problem, where).toMatch(/a restore into it did not come to its end/);
          outcomes.refused++;
        }
        if (problem === undefined || names.length === 0) continue;
        await restore(left);
        await whole(left);
      }
    }
    expect(outcomes.refused).toBeGreaterThan(50);
    expect(outcomes.empty).toBeGreaterThan(0);
    expect(outcomes.whole).toBeGreaterThan(0);
  });
});

const EIO = Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });

describe('a sync that fails once', () => {
  test('of the log: nothing is written or acknowledged any more, though the next sync would succeed, and nothing that was acknowledged is lost', async () => {
    const syncs = (await wholeLife()).filter((call) => call.startsWith('sync')).length;
    let met = 0;
    for (let nth = 1; nth <= syncs; nth++) {
      const files = new MemoryFiles();
      let sync = 0;
      let failed = '';
      files.at = (_, call) => {
        if (!call.startsWith('sync') || ++sync !== nth) return 'done';
        failed = call;
        return EIO;
      };
      const ledger = new Ledger();
      let storage: Storage | undefined;
      const outcome = await (async () => {
        storage = await openOn(files, SMALL);
        return await liveOn(storage, ledger);
      })().catch((error: Error) => error);
      if (failed === '' || !storage) continue; // it would not have started
      const where = `sync ${nth} (${failed})`;
      // The snapshot that is made aside, by another process, is thrown away; all else is final.
      if (failed.endsWith('by the snapshotter')) {
        expect((outcome as Error).message, where).toMatch(/EIO/);
        ledger.underWay = undefined;
      } else {
        met++;
        const before = ledger.acknowledged;
        for (let tries = 0; tries < 3; tries++) {
          const again = new Ledger();
          const next = before.terms.length + 1;
          await expect(again.write(storage, [entryOf(next, 9)], { term: 99, vote: 'n9' }), where).rejects.toThrow(
            /the log could not be written: EIO/,
          );
        }
        expect(storage.wantsSnapshot).toBe(false);
      }
      // The power goes: what was not synced is lost.
      await goesOn(files.afterCrash('lost'), ledger).catch((cause: unknown) => expect.fail(`${where}: ${cause}`));
    }
    expect(met).toBeGreaterThan(20);
  });
});

describe('a full disk', () => {
  test('met at any step ends writes with word of it, or only what was to be made aside; with room again all goes on, after a restart where writes had ended', async () => {
    const steps = (await wholeLife()).length;
    const outcomes = { ended: 0, wentOn: 0, neverStarted: 0 };
    for (let step = 1; step <= steps; step++) {
      const files = new MemoryFiles();
      files.at = (now) => {
        if (now === step) files.full = true;
        return 'done';
      };
      const ledger = new Ledger();
      const storage = await openOn(files, SMALL).catch((error: Error) => error);
      const where = `full at step ${step}`;
      if (storage instanceof Error) {
        expect(storage.message, where).toMatch(/ENOSPC|bytes free/);
        outcomes.neverStarted++;
      } else {
        const problem = await liveOn(storage, ledger).catch((error: Error) => error);
        if (!(problem instanceof Error)) continue; // what it had was enough for the rest of its life
        expect(problem.message, where).toMatch(/ENOSPC|bytes free/);
        const ended = problem.message.startsWith('the log could not be written');
        const next = ledger.acknowledged.terms.length + 1;
        const write = (): Promise<void> => ledger.write(storage, [entryOf(next, next === 1 ? 1 : 7)], { term: 50, vote: 'n1' });
        files.full = false;
        if (ended) {
          outcomes.ended++;
          const { underWay } = ledger;
          // Room alone is not enough: nobody knows what is on the disk behind the last that was acknowledged.
          await expect(write(), where).rejects.toThrow(/^the log could not be written/);
          ledger.underWay = underWay;
        } else {
          outcomes.wentOn++;
          ledger.underWay = undefined;
          await write();
        }
        await storage.close();
      }
      files.full = false;
      await goesOn(files, ledger).catch((cause: unknown) => expect.fail(`${where}: ${cause}`));
    }
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(5);
  });
});
