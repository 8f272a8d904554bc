import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Way } from '../../infra/setup/fetch.ts';
import { ensureTemporalCli, findTemporal } from '../../infra/setup/temporal.ts';

/** Finding the Temporal CLI, with programs that only say what they are. */
const saying = (text: string) => `#!/bin/sh\necho "${text}"\n`;
const CLI = saying('temporal version 1.2.3 (Server 1.0.0, UI 2.0.0)');

let home: string;
let env: Record<string, string>;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'feitian-programs-'));
  env = { PATH: `${join(home, 'first')}:${join(home, 'second')}`, XDG_CACHE_HOME: join(home, 'cache') };
});
afterEach(() => rm(home, { recursive: true }));

async function put(path: string, content = CLI, mode = 0o755): Promise<string> {
  const whole = join(home, path);
  await mkdir(join(whole, '..'), { recursive: true });
  await writeFile(whole, content, { mode });
  return whole;
}

const cached = (version: string) => join('cache', 'feitian', 'temporal', version, 'temporal');

function way(title: string, content: string | Error, version = '7.0.0'): Way & { calls: number } {
  return {
    title,
    calls: 0,
    async fetch(directory) {
      this.calls++;
      if (content instanceof Error) throw content;
      await writeFile(join(directory, 'came'), content);
      return { path: join(directory, 'came'), version };
    },
  };
}

describe('the order in which Temporal is found', () => {
  test('a server that TEMPORAL_ADDRESS names comes before every program', async () => {
    await put('first/temporal');
    expect(await findTemporal({ env: { ...env, TEMPORAL_ADDRESS: 'there:7233' } })).toEqual({ address: 'there:7233' });
  });

  test('PATH comes before the cache, and its first entry before its second', async () => {
    const [first] = [await put('first/temporal'), await put('second/temporal'), await put(cached('9.0.0'))];
    expect(await findTemporal({ env })).toEqual({ path: first, source: 'PATH' });
  });

  test('a program on PATH that can not run, or is something else, is passed over', async () => {
    await put('first/temporal', saying('a clock'));
    const second = await put('second/temporal');
    expect(await findTemporal({ env })).toEqual({ path: second, source: 'PATH' });
  });

  test('the cache comes before fetching, and the newest version in it first', async () => {
    const never = way('never', CLI);
    await put(cached('1.9.1'));
    const newest = await put(cached('1.10.0'));
    await put(cached('1.11.0'), 'not a program at all');
    expect(await ensureTemporalCli({ env, ways: [never] })).toEqual({ path: newest, source: 'cache' });
    expect(never.calls).toBe(0);
  });

  test('of the ways to fetch it the first that works is taken, and what it brought is in the cache afterwards', async () => {
    const ways = [way('one', new Error('no network')), way('two', saying('something else')), way('three', CLI, '7.1.0'), way('four', CLI)];
    const path = join(home, cached('7.1.0'));
    expect(await ensureTemporalCli({ env, ways })).toEqual({ path, source: 'three' });
    expect(ways.map(({ calls }) => calls)).toEqual([1, 1, 1, 0]);
    expect(await ensureTemporalCli({ env, ways: [] })).toEqual({ path, source: 'cache' });
    expect(await readdir(join(home, 'cache', 'feitian'))).toEqual(['temporal']);
  });
});

test('two that fetch at once both end with a whole program', async () => {
  const found = await Promise.all([1, 2].map(() => ensureTemporalCli({ env, ways: [way('fetched', CLI)] })));
  expect(new Set(found.map(({ path }) => path))).toEqual(new Set([join(home, cached('7.0.0'))]));
  expect(await readdir(join(home, 'cache', 'feitian', 'temporal', '7.0.0'))).toEqual(['temporal']);
});

test('when nothing works the message tells all that was tried, why each failed, and what to do', async () => {
  const failing = await put('first/temporal', saying('a clock'));
  const ways = [way('the shop', new Error('closed today')), way('the neighbour', new Error('not at home'))];
  const failure = await ensureTemporalCli({ env, ways }).catch((error: Error) => error.message);
  expect(failure).toMatch(/^NoTemporal: temporal was not found and could not be fetched/);
  for (const part of [failing, 'the shop: closed today', 'the neighbour: not at home', 'set TEMPORAL_ADDRESS'])
    expect(failure).toContain(part);
});
