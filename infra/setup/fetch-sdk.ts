import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../services/base/errors.ts';
import type { Way } from './fetch.ts';
import { runProgram } from './run-program.ts';

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

async function download(server: string, directory: string): Promise<void> {
  const giveUp = new AbortController();
  const firstBytes = setTimeout(async () => {
    if (!(await hasBytes(directory))) giveUp.abort();
  }, FIRST_BYTES_MS_MAX);
  try {
    await runProgram(process.execPath, [DOWNLOADER, server, directory], { timeoutMs: DOWNLOAD_MS_MAX, signal: giveUp.signal });
  } catch (error) {
    if (giveUp.signal.aborted) throw new Error(`no answer within ${FIRST_BYTES_MS_MAX / 1000} s`);
    throw new Error(shorten(messageOf(error)));
  } finally {
    clearTimeout(firstBytes);
  }
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
