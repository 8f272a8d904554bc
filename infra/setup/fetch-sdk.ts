import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Way } from './fetch.ts';
import { lastLines } from './run-program.ts';

/** Without a network the SDK's download should not hold up the start: this long until its first bytes … */
const FIRST_BYTES_MS_MAX = 6_000;
/** … and then a slow line may take its time: 45 MB in five minutes is 150 KB/s. */
const DOWNLOAD_MS_MAX = 5 * 60_000;

const DOWNLOADER = fileURLToPath(new URL('./sdk-download.mjs', import.meta.url));

/**
 * The SDK's own download. It has no call for that alone: a test environment that is started with `cached-download` fetches what it starts.
 * So that happens in a process of its own, which is given up when nothing comes.
 */
export function fetchWithSdk(server: 'dev-server' | 'time-skipping'): Way {
  return {
    title: "the Temporal SDK's download (@temporalio/testing)",
    async fetch(directory) {
      await download(server, directory);
      for (const name of await readdir(directory)) return { path: join(directory, name), version: `sdk-${sdkVersion()}` };
      throw new Error('it left no file');
    },
  };
}

function sdkVersion(): string {
  return createRequire(import.meta.url)('@temporalio/testing/package.json').version;
}

function download(server: string, directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [DOWNLOADER, server, directory], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const giveUp = (reason: string) => {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
      reject(new Error(reason));
    };
    const firstBytes = setTimeout(async () => {
      if (!(await hasBytes(directory))) giveUp(`no answer within ${FIRST_BYTES_MS_MAX / 1000} s`);
    }, FIRST_BYTES_MS_MAX);
    const all = setTimeout(() => giveUp(`not done after ${DOWNLOAD_MS_MAX / 1000} s`), DOWNLOAD_MS_MAX);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(firstBytes);
      clearTimeout(all);
      if (code === 0) resolve();
      else reject(new Error(shorten(lastLines(stderr, 1)) || `exit code ${code}`));
    });
  });
}

/** The SDK puts the whole chain of causes into one line, some of them twice; the last is what happened. */
function shorten(message: string): string {
  return message.split('): ').at(-1) ?? message;
}

async function hasBytes(directory: string): Promise<boolean> {
  for (const name of await readdir(directory)) {
    if ((await stat(join(directory, name)).catch(() => ({ size: 0 }))).size > 0) return true;
  }
  return false;
}
