import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { lockHolder } from '../../infra/cluster/lock.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIMEOUT_MS = 180_000;

let here: string;
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'feitian-test-demo-'));
});
afterEach(() => rm(here, { recursive: true, force: true }));

const dirOf = (): string => join(here, 'cluster');

/** `npm run demo` as anybody runs it. `onOutput` sees all that it has printed so far. */
async function demo(args: string[], onOutput: (text: string, kill: () => void) => void = () => {}) {
  const child = spawn(process.execPath, ['infra/bootstrap.mjs', 'demo', '--dir', dirOf(), '--no-color', ...args], {
    cwd: ROOT,
    env: process.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
    onOutput(stdout, () => child.kill('SIGINT'));
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

test('counts the words of the files that were named, checks the count, goes on with rollouts when asked to (a good one, one under load, a bad one that takes itself back), and leaves nothing behind', {
  timeout: TIMEOUT_MS,
}, async () => {
  const files = [join(here, 'one.txt'), join(here, 'two.txt')];
  await writeFile(files[0]!, 'to be or not\nto be');
  await writeFile(files[1]!, 'that is the question: to be\n');
  const { code, stdout, stderr } = await demo(['--tour', ...files]);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('The 8 most frequent of 8 words');
  expect(stdout).toMatch(/ {2}3 {2}be\n {2}3 {2}to\n/);
  expect(stdout).toContain('pangu://local/out/wordcount');
  expect(stdout).toMatch(/time +(install .* · )?start .* · put .* · plan .* · map .* · reduce .* · publish .*/);
  expect(stdout).toContain('checked   12 words, equal');
  expect(stdout).toMatch(/load +[\d,]+ requests through Nuwa, 0 failed \([\d,]+ by 1\.0\.0, [\d,]+ by 2\.0\.0\)/);
  expect(stdout).toMatch(/stopped +hello 3\.0\.0 was rolled back: canary node-1: StartFailed: .*exit code 3/);
  expect(stdout).toMatch(/runs +hello 2\.0\.0 on node-1, node-2, node-3/);
  expect(stdout).toMatch(/Where to look.*\n +word count +http.*\n( +rollout of \d\.0\.0 +http.*\n){3} +Prometheus .*\n +Grafana /);
  expect(existsSync(dirOf())).toBe(false);
});

test('a file that cannot be read is refused before anything starts', async () => {
  const { code, stdout, stderr } = await demo([join(here, 'no-such.txt')]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('no-such.txt is not there');
});

test('Ctrl-C in the middle of the start stops what was started', { timeout: TIMEOUT_MS }, async () => {
  const { code, stderr } = await demo([], (text, kill) => {
    if (text.includes('nuwa')) kill();
  });
  expect({ code, stderr: stderr.trim() }).toEqual({ code: 130, stderr: '✗ interrupted; everything was stopped' });
  expect(await lockHolder(layoutOf(dirOf()).lockFile)).toBeUndefined();
});
