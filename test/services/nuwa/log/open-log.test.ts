import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import type { Command } from '../../../../services/nuwa/core/tree/command.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, type TreeState } from '../../../../services/nuwa/core/tree/state.ts';
import type { CommandLog } from '../../../../services/nuwa/log/command-log.ts';
import { FILE_HEADER_BYTES } from '../../../../services/nuwa/log/frame.ts';
import { openLog } from '../../../../services/nuwa/log/open-log.ts';
import { writeSnapshot } from '../../../../services/nuwa/log/snapshot-file.ts';
import { bytes, replay } from '../core/tree/script.ts';

let dir: string;
let opened: CommandLog[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-log-'));
  opened = [];
});
afterEach(async () => {
  for (const log of opened) await log.close();
  rmSync(dir, { recursive: true });
});

interface Read {
  log: CommandLog;
  texts: string[];
  fromSnapshot?: number;
}

/** Opens the log; `texts` are the values of the commands that were replayed. */
async function read(from = dir): Promise<Read> {
  const result: Omit<Read, 'log'> = { texts: [] };
  let expected = 1;
  const log = await openLog(
    from,
    {
      snapshot: ({ snapshot }) => {
        result.fromSnapshot = snapshot.index;
        expected = snapshot.index + 1;
      },
      command: (command, { index, nowMs }) => {
        expect(index).toBe(expected++);
        expect(nowMs).toBe(1_000 + index);
        result.texts.push(new TextDecoder().decode((command as { value: Uint8Array }).value));
      },
    },
    silentLogger,
  );
  opened.push(log);
  return { log, ...result };
}

const setTo = (text: string): Command => ({ kind: 'set', path: '/', value: bytes(text), session: 's', request: 1, settled: 1 });

async function append(log: CommandLog, ...texts: string[]): Promise<void> {
  const first = log.lastIndex + 1;
  await log.append(texts.map((text, i) => ({ nowMs: 1_000 + first + i, command: setTo(text) })));
}

function segmentFile(from = dir): string {
  const names = readdirSync(from).filter((name) => name.startsWith('log-'));
  expect(names.length).toBe(1);
  return join(from, names[0]!);
}

describe('the log', () => {
  it('gives back what was appended, in order, over any number of restarts', async () => {
    for (let run = 0; run < 4; run++) {
      const { log, texts } = await read();
      expect(texts).toEqual(['a', 'b', 'c', 'd', 'e', 'f'].slice(0, run * 2));
      await append(log, ['a', 'c', 'e', 'g'][run]!);
      await append(log, ['b', 'd', 'f', 'h'][run]!);
    }
  });

  it('torn at any byte of the last record loses that record and nothing before it, and goes on from there', async () => {
    const { log } = await read();
    await append(log, 'one', 'two');
    await append(log, 'three');
    const goodBytes = log.segmentBytes;
    await append(log, 'lost');
    const whole = readFileSync(segmentFile());
    const name = segmentFile();
    for (let length = goodBytes; length < whole.length; length++) {
      // Either the file ends there, or its length was written and the data was not.
      const zeros = Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)]);
      for (const torn of length === goodBytes ? [whole.subarray(0, length)] : [whole.subarray(0, length), zeros]) {
        if (torn.equals(whole)) continue;
        writeFileSync(name, torn);
        const again = await read();
        expect(again.texts, `torn at byte ${length}`).toEqual(['one', 'two', 'three']);
        expect(statSync(name).size).toBe(goodBytes);
        await append(again.log, 'four');
        await again.log.close();
        opened = opened.filter((one) => one !== again.log);
        const once = await read();
        expect(once.texts, `after writing on, torn at byte ${length}`).toEqual(['one', 'two', 'three', 'four']);
        await once.log.close();
        opened = opened.filter((one) => one !== once.log);
      }
    }
  });

  it('with a changed byte anywhere before the last record refuses to start', async () => {
    const { log } = await read();
    await append(log, 'one', 'two');
    await append(log, 'three');
    const lastBegins = log.segmentBytes;
    await append(log, 'four');
    const name = segmentFile();
    const whole = readFileSync(name);
    for (let at = 0; at < lastBegins; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(name, damaged);
      await expect(read(), `byte ${at}`).rejects.toThrow(/damaged.*refusing to start/);
      expect(readFileSync(name).equals(damaged)).toBe(true); // and leaves the evidence alone
    }
  });

  it('does not take a record inside a value, or one of another file, for its own', async () => {
    const { log } = await read();
    await append(log, 'one');
    const record = readFileSync(segmentFile()).subarray(FILE_HEADER_BYTES);
    const beforeBytes = log.segmentBytes;
    await log.append([{ nowMs: 1_002, command: { ...setTo(''), value: Buffer.from(record) } as Command }]);
    const name = segmentFile();
    truncateSync(name, readFileSync(name).length - 1);
    // The value's copy of a record is whole and has this file's salt: it must count as damage, not be replayed.
    await expect(read()).rejects.toThrow(/damaged/);

    const other = mkdtempSync(join(tmpdir(), 'nuwa-log-'));
    try {
      const foreign = (await read(other)).log;
      await append(foreign, 'foreign');
      const foreignRecord = readFileSync(segmentFile(other)).subarray(FILE_HEADER_BYTES);
      writeFileSync(name, Buffer.concat([readFileSync(name).subarray(0, beforeBytes), foreignRecord]));
      expect((await read()).texts).toEqual(['one']);
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});

describe('a log with a snapshot', () => {
  /** Five commands, a snapshot after the third; returns the state of the third. */
  async function logWithSnapshot(stopBefore?: 'snapshot' | 'compact'): Promise<TreeState> {
    const { log } = await read();
    await append(log, 'one', 'two', 'three');
    const state = newState();
    for (let i = 0; i < 3; i++) replay(state, setTo('-'));
    await log.rotate();
    if (stopBefore !== 'snapshot') await writeSnapshot(dir, { snapshot: takeSnapshot(state), events: [] });
    if (stopBefore === undefined) await log.compact(3, []);
    await append(log, 'four', 'five');
    return state;
  }

  it('replays only what came after it', async () => {
    await logWithSnapshot();
    expect(readdirSync(dir).sort()).toEqual(['log-0000000000000004', 'snapshot-0000000000000003']);
    const { texts, fromSnapshot, log } = await read();
    expect([texts, fromSnapshot, log.lastIndex]).toEqual([['four', 'five'], 3, 5]);
  });

  it.each([
    ['before the snapshot was written', 'snapshot', undefined, ['one', 'two', 'three', 'four', 'five']],
    ['before the old segment was removed', 'compact', 3, ['four', 'five']],
  ] as const)('that a crash interrupted %s loses nothing', async (_, stopBefore, snapshot, texts) => {
    await logWithSnapshot(stopBefore);
    writeFileSync(join(dir, 'snapshot-0000000000000009.tmp'), 'half');
    const again = await read();
    expect([again.texts, again.fromSnapshot, again.log.lastIndex]).toEqual([texts, snapshot, 5]);
    expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    // What is no longer needed goes with the next snapshot.
    await again.log.rotate();
    await again.log.compact(5, []);
    expect(readdirSync(dir).filter((name) => name.startsWith('log-'))).toEqual(['log-0000000000000006']);
  });

  it('begins a new segment when the only one was removed by hand after a snapshot', async () => {
    await logWithSnapshot();
    rmSync(join(dir, 'log-0000000000000004'));
    const { log, texts } = await read();
    expect([texts, log.lastIndex]).toEqual([[], 3]);
    await append(log, 'new four');
    expect((await read()).texts).toEqual(['new four']);
  });

  it('refuses to start when a segment in between is missing', async () => {
    const { log } = await read();
    await append(log, 'one');
    await log.rotate();
    await append(log, 'two');
    await log.rotate();
    await append(log, 'three');
    const second = join(dir, 'log-0000000000000002');
    copyFileSync(second, join(dir, 'aside'));
    rmSync(second);
    await expect(read()).rejects.toThrow(/commands from 2 to 2 are missing/);
    copyFileSync(join(dir, 'aside'), second);
    rmSync(join(dir, 'log-0000000000000001'));
    await expect(read()).rejects.toThrow(/commands from 1 to 1 are missing/);
  });

  it('refuses to start when a segment that is not the last breaks off', async () => {
    const { log } = await read();
    await append(log, 'one');
    await append(log, 'two');
    await log.rotate();
    const first = join(dir, 'log-0000000000000001');
    truncateSync(first, readFileSync(first).length - 1);
    await expect(read()).rejects.toThrow(/breaks off.*refusing to start/);
  });

  it('refuses a snapshot with a changed byte, wherever it is', async () => {
    await logWithSnapshot();
    const name = join(dir, 'snapshot-0000000000000003');
    const whole = readFileSync(name);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x01;
      writeFileSync(name, damaged);
      await expect(read(), `byte ${at}`).rejects.toThrow(/refusing to start/);
    }
  });

  it('holds a tree of many portions as it was', async () => {
    const state = newState();
    replay(state, { kind: 'openSession', session: 's', ttlMs: 1_000, creator: 'me' });
    for (let request = 1; request <= 30; request++) {
      const value = new Uint8Array(100_000).fill(request);
      replay(state, {
        kind: 'create',
        session: 's',
        request,
        settled: request - 3,
        path: `/n${request}`,
        value,
        ephemeral: request % 2 === 0,
      });
    }
    await writeSnapshot(dir, { snapshot: takeSnapshot(state), events: [] });
    let restored: TreeState | undefined;
    const replayed = {
      snapshot: (stored: { snapshot: ReturnType<typeof takeSnapshot> }) => (restored = restoreSnapshot(stored.snapshot)),
      command: () => {},
    };
    opened.push(await openLog(dir, replayed, silentLogger));
    expect(JSON.stringify(takeSnapshot(restored!).sessions)).toBe(JSON.stringify(takeSnapshot(state).sessions));
    const rows = (of: TreeState) =>
      takeSnapshot(of).nodes.map(([path, value, ...rest]) => [path, Buffer.from(value).toString('hex'), ...rest]);
    expect(rows(restored!)).toEqual(rows(state));
  });
});
