import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Logger, silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import type { Entry, GroupConfig } from '../../../../services/nuwa/core/raft/types.ts';
import type { Command } from '../../../../services/nuwa/core/tree/command.ts';
import { segmentFile, snapshotFile } from '../../../../services/nuwa/log/files.ts';
import { loadSnapshot, writeSnapshot } from '../../../../services/nuwa/log/snapshot-file.ts';
import { makeSnapshotFile } from '../../../../services/nuwa/snapshotter/make.ts';
import { runSnapshotter, type SnapshotOrder } from '../../../../services/nuwa/snapshotter/run.ts';
import { randomEntries } from '../core/tree/random-entries.ts';
import { Harness } from '../harness.ts';
import { CONFIG, entryOf, lived, writeFiles } from './orders.ts';

let harness: Harness;
let dir: string;
beforeEach(() => {
  harness = new Harness();
  dir = join(harness.dir, 'files');
  mkdirSync(dir);
});
afterEach(() => harness.close());

const never = new AbortController().signal;

/** Resolves with the snapshotter's pid as soon as it was started. */
function startedAt(): { log: Logger; pid: Promise<number> } {
  let started: (pid: number) => void;
  const pid = new Promise<number>((resolve) => {
    started = resolve;
  });
  const write = (line: string): void => started((JSON.parse(line) as { childPid: number }).childPid);
  return { log: pino({ level: 'debug' }, { write }) as Logger, pid };
}

const order = (from: SnapshotOrder, signal = never): ReturnType<typeof runSnapshotter> =>
  runSnapshotter({ ...from, log: silentLogger, signal });

/** Names and bytes of all files. */
const filesOf = (): Map<string, string> => new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'latin1')]));

/** A log long enough that a snapshotter takes a while over it. */
async function longLog(): Promise<SnapshotOrder> {
  const create = (i: number): Command => ({
    kind: 'create',
    path: `/n-${i}`,
    value: new Uint8Array(100),
    session: 's',
    request: 0,
    settled: 0,
  });
  const open: Command = { kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'c' };
  const entries = Array.from({ length: 500 }, (_, i) =>
    entryOf(i + 1, i === 0 ? [open] : Array.from({ length: 100 }, (__, j) => create(i * 100 + j))),
  );
  return await writeFiles(dir, entries);
}

/** Resolves when a file of the directory begins to be written. */
function untilWritten(name: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dir, (_, changed) => {
      if (changed !== name) return;
      watcher.close();
      resolve();
    });
  });
}

const goes = (pid: number): Promise<void> =>
  vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), { timeout: 20_000, interval: 10 });

describe('a snapshot that a process of its own makes', () => {
  test('is, byte by byte, what a server that lived through the log would have written', async () => {
    const config: GroupConfig = { members: [...CONFIG.members, { id: 'n2', address: 'tcp://b:1', role: 'learner' }] };
    const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
    const commands = randomEntries(seededRandom(seed), 150);
    const entries = commands.map((each, i) => entryOf(i + 1, each));
    // A few that say nothing to the tree, one of them who is in the group.
    const quiet = { term: 2, data: new Uint8Array(0) };
    entries.push({ index: 151, kind: 'noop', timeMs: 0, ...quiet });
    entries.push({ index: 152, kind: 'config', timeMs: 152_000, config, ...quiet });
    entries.push({ ...entryOf(153, []), term: 2 });
    const from = await writeFiles(dir, entries);
    const snapshot = lived(entries, (index) => commands[index - 1] ?? []);
    for (const index of [77, 153]) {
      const wanted = lived(entries.slice(0, index), (each) => commands[each - 1] ?? []);
      expect(await order({ ...from, index, to: `made-${index}.tmp` }), `seed ${seed}`).toEqual(wanted.mark);
      await writeSnapshot(harness.dir, 'wanted', wanted);
      expect(readFileSync(join(dir, `made-${index}.tmp`)).equals(readFileSync(join(harness.dir, 'wanted'))), `seed ${seed}`).toBe(true);
    }
    expect(snapshot.mark).toEqual({ index: 153, term: 2, config });
  });

  test('is made of the one before it', async () => {
    const commands = randomEntries(seededRandom(5), 60);
    const entries = commands.map((each, i) => entryOf(i + 1, each));
    const from = await writeFiles(dir, entries);
    const between = { index: 40, segment: 1 };
    await order({ ...from, index: 40, to: snapshotFile(between) });
    await order({ ...from, from: { snapshot: between, segments: [1, 2] } });
    await writeSnapshot(
      harness.dir,
      'wanted',
      lived(entries, (index) => commands[index - 1]!),
    );
    expect(readFileSync(join(dir, from.to)).equals(readFileSync(join(harness.dir, 'wanted')))).toBe(true);
  });

  test('is made at the lowest priority, by every thread', async () => {
    const from = await longLog();
    const { log, pid } = startedAt();
    const made = runSnapshotter({ ...from, log, signal: never });
    const tasks = `/proc/${await pid}/task`;
    const nice = await vi.waitFor(
      () => {
        const stats = readdirSync(tasks).map((task) => readFileSync(join(tasks, task, 'stat'), 'utf8'));
        // Those of V8 and those that read files: all are there once it reads.
        expect(stats.length).toBeGreaterThan(8);
        return stats.map((stat) => Number(stat.split(') ')[1]!.split(' ')[16]));
      },
      { timeout: 10_000, interval: 1 },
    );
    expect(new Set(nice)).toEqual(new Set([19]));
    await made;
  });

  test('is made by the compiled program, too', async () => {
    const compile = (await import('../../../../infra/bin/compile.mjs' as string)) as { compiledMain(): Promise<string> };
    vi.stubEnv('FEITIAN_BUILD', dirname(await compile.compiledMain()));
    const from = await longLog();
    expect(await order(from).finally(() => vi.unstubAllEnvs())).toMatchObject({ index: 500 });
    expect((await loadSnapshot(join(dir, from.to))).state.nodes).toBe(49_900);
  });
});

describe('a snapshot that cannot be made leaves all files as they were', () => {
  const entries = Array.from({ length: 9 }, (_, i): Entry => entryOf(i + 1, []));

  test('where the log does not reach that far', async () => {
    const from = await writeFiles(dir, entries);
    const before = filesOf();
    await expect(order({ ...from, index: 10 })).rejects.toThrow('the log reaches entry 9, not 10');
    expect(filesOf()).toEqual(before);
  });

  test('where a file is damaged or missing, which it names', async () => {
    const from = await writeFiles(dir, entries);
    const path = join(dir, segmentFile(2));
    const whole = readFileSync(path);
    truncateSync(path, whole.length - 1);
    // By the same code in this process; that a problem comes back from the other one is shown above.
    await expect(makeSnapshotFile(from)).rejects.toThrow(/log-0000000002: it breaks off/);
    writeFileSync(path, whole);
    await expect(makeSnapshotFile({ ...from, from: { ...from.from, segments: [1, 2, 3] } })).rejects.toThrow(/ENOENT.*log-0000000003/);
    const before = filesOf();
    await expect(makeSnapshotFile({ ...from, from: { ...from.from, snapshot: { index: 3, segment: 1 } } })).rejects.toThrow(
      /ENOENT.*snapshot-/,
    );
    expect(filesOf()).toEqual(before);
  });

  test('where the disk takes no more', async () => {
    const from = await longLog();
    const before = filesOf();
    // The snapshot takes 6 MB.
    const server = harness.processWithFileLimit(4 * 1024 * 1024, 'snapshotter/run-order.ts', JSON.stringify(from));
    await server.line(); // its pid
    expect(await server.line()).toMatch(/^failed EFBIG/);
    expect(filesOf()).toEqual(before);
    expect(await order(from)).toMatchObject({ index: 500 });
  });

  test('where it is killed, at whatever moment', async () => {
    const from = await longLog();
    const before = filesOf();
    for (const moment of ['at once', 'while it writes', 'when all is written'] as const) {
      const { log, pid } = startedAt();
      const reached = moment === 'at once' ? pid : untilWritten(moment === 'while it writes' ? `${from.to}.tmp` : from.to);
      const outcome = runSnapshotter({ ...from, log, signal: never }).then(
        () => 'made',
        (error: Error) => error.message,
      );
      await reached;
      try {
        process.kill(await pid, 'SIGKILL');
      } catch {
        // It was quicker.
      }
      if (moment !== 'at once' && (await outcome) === 'made') {
        expect((await loadSnapshot(join(dir, from.to))).mark.index).toBe(500);
        rmSync(join(dir, from.to));
      } else expect(await outcome).toMatch(/^the snapshotter ended without an answer: SIGKILL/);
      expect(filesOf(), moment).toEqual(before);
    }
  });

  test('where it is no longer wanted', async () => {
    const from = await longLog();
    const before = filesOf();
    const { log, pid } = startedAt();
    const stop = new AbortController();
    const made = runSnapshotter({ ...from, log, signal: stop.signal });
    const failed = expect(made).rejects.toThrow('the server stops');
    const child = await pid;
    stop.abort(new Error('the server stops'));
    await failed;
    expect(existsSync(`/proc/${child}`)).toBe(false);
    expect(filesOf()).toEqual(before);
    await expect(order(from, stop.signal)).rejects.toThrow('the server stops');
  });
});

test('a snapshotter whose server died ends by itself, and nothing of it counts', async () => {
  const from = await longLog();
  const server = harness.process('snapshotter/run-order.ts', JSON.stringify(from));
  const pid = Number(await server.line());
  process.kill(pid, 'SIGSTOP');
  await server.kill();
  process.kill(pid, 'SIGCONT');
  await goes(pid);
  expect(existsSync(join(dir, from.to))).toBe(false);
});
