import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import { Changes } from '../../../../services/dayu/agent/changes.ts';
import { boundLog, logTail, TAIL_BYTES } from '../../../../services/dayu/agent/log-file.ts';
import { waitFor } from '../../../../services/dayu/agent/patience.ts';
import { choosePorts } from '../../../../services/dayu/agent/ports.ts';
import { ServiceEntry } from '../../../../services/dayu/agent/service-entry.ts';

const never = new AbortController().signal;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-dayu-parts-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('a log', () => {
  test('that is too long is turned over while its process goes on writing, and takes no more than twice its bound', async () => {
    const file = join(directory, 'long.log');
    const fd = openSync(file, 'a');
    const writer = spawn('sh', ['-c', 'while read line; do echo "$line"; done'], { stdio: ['pipe', fd, 'ignore'] });
    closeSync(fd);
    const say = async (text: string): Promise<void> => {
      writer.stdin!.write(`${text}\n`);
      await expect.poll(() => readFile(file, 'utf8')).toContain(text);
    };
    await say('a'.repeat(100));
    expect(await boundLog(file, 200)).toBe(false);
    await say('b'.repeat(200));
    expect(await boundLog(file, 200)).toBe(true);
    await say('after it');
    expect(await readFile(file, 'utf8')).toBe('after it\n');
    expect((await stat(`${file}.1`)).size).toBe(302);
    writer.stdin!.end();
  });

  test('tells its end, and of that only what one life wrote', async () => {
    const file = join(directory, 'tail.log');
    await writeFile(file, `before\n${'x'.repeat(10)}\nlast\n`);
    expect(await logTail(file, 7)).toBe(`${'x'.repeat(10)}\nlast`);
    await writeFile(file, 'y'.repeat(10_000));
    expect(await logTail(file, 7)).toBe('y'.repeat(TAIL_BYTES));
    // It was turned over meanwhile.
    await writeFile(file, 'new');
    expect(await logTail(file, 7)).toBe('new');
    expect(await logTail(join(directory, 'none'), 0)).toBe('');
  });
});

describe('waiting', () => {
  test('for something to hold looks again at each change, and gives up in time or when it is told to', async () => {
    const changes = new Changes();
    let value: number | undefined;
    const waiting = changes.until(() => value, { signal: never, withinMs: 60_000 });
    changes.tell();
    value = 0;
    changes.tell();
    expect(await waiting).toBe(0);
    expect(await changes.until(() => undefined, { signal: never, withinMs: 10 })).toBeUndefined();
    const giveUp = new AbortController();
    const given = changes.until(() => undefined, { signal: giveUp.signal, withinMs: 60_000 });
    giveUp.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    await expect(changes.until(() => assertFails(), { signal: never, withinMs: 60_000 })).rejects.toThrow('it fails');
  });

  test('takes less time from the moment when there is a hurry', async () => {
    const forever = new Promise(() => {});
    const hurry = new AbortController();
    const startedMs = performance.now();
    const waiting = waitFor(forever, { ms: 60_000, hurry: hurry.signal, hurriedMs: 20 });
    hurry.abort();
    expect(await waiting).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(await waitFor(Promise.resolve(), { ms: 60_000, hurry: never, hurriedMs: 20 })).toBe(true);
  });
});

function assertFails(): undefined {
  throw new Error('it fails');
}

describe('a place in Nuwa', () => {
  /** A registrar that is away for the first calls. */
  function nuwaAwayFor(calls: number) {
    const stands: string[] = [];
    const once = async (): Promise<void> => {
      if (calls-- > 0) throw new Error('away');
    };
    const register = async (service: string, instance: string) => {
      await once();
      const path = `/services/${service}/${instance}`;
      stands.push(path);
      const unregister = async (): Promise<void> => {
        await once();
        stands.splice(stands.indexOf(path), 1);
      };
      return { path, update: async () => {}, unregister };
    };
    return { stands, register };
  }

  test('is taken as soon as Nuwa is back, and left in the same way', async () => {
    const nuwa = nuwaAwayFor(2);
    const entry = new ServiceEntry({ nuwa, service: 'hello-web', node: 'n1', onChange() {}, closing: never, log: silentLogger });
    await entry.enter({ address: 'tcp://127.0.0.1:1' });
    expect([nuwa.stands, entry.isIn]).toEqual([['/services/hello-web/n1'], true]);
    await entry.leave();
    expect([nuwa.stands, entry.isIn]).toEqual([[], false]);
  });

  test('follows the last wish when wishes change faster than they can be fulfilled', async () => {
    const nuwa = nuwaAwayFor(1);
    const entry = new ServiceEntry({ nuwa, service: 'hello-web', node: 'n1', onChange() {}, closing: never, log: silentLogger });
    const wishes = [
      entry.enter({ address: 'tcp://127.0.0.1:1' }),
      entry.leave(),
      entry.enter({ address: 'tcp://127.0.0.1:2' }),
      entry.leave(),
    ];
    await Promise.all(wishes);
    expect(nuwa.stands).toEqual([]);
    await entry.enter({ address: 'tcp://127.0.0.1:3' });
    expect(nuwa.stands).toHaveLength(1);
  });
});

test('ports that are free for the asking differ, and keep out of the range of outgoing connections', async () => {
  const ports = Object.values(await choosePorts({ a: 0, b: 0, c: 0 }));
  expect(new Set(ports).size).toBe(3);
  const first =
    process.platform === 'linux'
      ? Number(execFileSync('cat', ['/proc/sys/net/ipv4/ip_local_port_range']).toString().split(/\s+/)[0])
      : 49_152;
  for (const port of ports) expect(port).toBeLessThan(first);
});
