import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresPrograms, postgresPrograms } from '../../infra/setup/postgres.ts';
import { runProgram } from '../../infra/setup/run-program.ts';

export interface TestPostgres {
  readonly url: string;
  /** Kills the server as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, at the same address over the same data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
}

/**
 * The shell between us and Postgres waits at a pipe that we hold: when this process ends, however it ends, the pipe closes, and the shell
 * stops Postgres and removes its data. A crash takes its children too, and waits for them: one that lives on for a moment would keep the next
 * Postgres from starting.
 */
const GUARD = `"$1" -D "$2" -p "$3" $5 -c listen_addresses=127.0.0.1 -c unix_socket_directories= >"$4" 2>&1 &
pid=$!
read -r word
if [ "$word" = crash ]; then
  children=$(ps -o pid= --ppid $pid)
  kill -9 $pid $children
  for child in $children; do while state=$(ps -o state= -p $child) && [ "$state" != Z ]; do sleep 0.05; done; done
else kill -INT $pid; fi
wait $pid
[ "$word" = crash ] || rm -rf "$2"`;

const QUICK = '-c fsync=off -c full_page_writes=off -c shared_buffers=32MB';
/** As a cluster's own: for figures. */
const DURABLE = '-c shared_buffers=256MB -c max_wal_size=2GB';

/** A throwaway Postgres with an empty database. `durable`: what is committed is on the disk. */
export async function withPostgres({ durable = false }: { durable?: boolean } = {}): Promise<TestPostgres> {
  const programs = await postgresPrograms();
  const { postgres, runAs } = programs;
  const template = await emptyData(programs);
  const directory = await mkdtemp(join(tmpdir(), 'feitian-test-postgres-'));
  const data = join(directory, 'data');
  await chmod(directory, 0o755);
  await runProgram('cp', ['-a', template, data], { timeoutMs: 60_000 });
  const port = await freePort();
  const url = `postgres://feitian@127.0.0.1:${port}/postgres`;

  let guard: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    await rm(join(data, 'postmaster.pid'), { force: true });
    guard = spawn('/bin/sh', ['-c', GUARD, 'sh', postgres, data, String(port), join(data, 'log'), durable ? DURABLE : QUICK], {
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      ...runAs,
    });
    await accepting(data);
  };
  const end = async (word: string): Promise<void> => {
    if (!guard) return;
    const exited = new Promise((resolve) => guard!.once('exit', resolve));
    guard.stdin!.end(`${word}\n`);
    await exited;
    guard = undefined;
  };
  await start();
  return {
    url,
    start,
    kill: () => end('crash'),
    stop: async () => {
      await end('stop');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A data directory as initdb leaves it, made once and copied from then on: initdb takes a second, the copy a tenth of it. */
async function emptyData({ initdb, runAs }: PostgresPrograms): Promise<string> {
  const cache = new URL('../../node_modules/.cache/feitian/', import.meta.url).pathname;
  const { stdout: version } = await runProgram(initdb, ['--version'], { timeoutMs: 60_000, cwd: '/', ...runAs });
  const template = join(cache, `empty-${version.trim().replaceAll(/[^0-9a-z.]+/gi, '-')}-${runAs?.uid ?? 'own'}`);
  if (existsSync(template)) return template;
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(tmpdir(), 'feitian-test-initdb-'));
  try {
    await chmod(making, 0o700);
    if (runAs) await chown(making, runAs.uid, runAs.gid);
    const flags = ['--no-sync', '--auth=trust', '--username=feitian', '--encoding=UTF8', '--locale=C'];
    await runProgram(initdb, [`--pgdata=${making}`, ...flags], { timeoutMs: 60_000, cwd: '/', ...runAs });
    const aside = await mkdtemp(join(cache, '.making-'));
    await runProgram('cp', ['-a', making, join(aside, 'data')], { timeoutMs: 60_000 });
    await rename(join(aside, 'data'), template).catch((error) => {
      if (!existsSync(template)) throw error; // else another test was quicker
    });
    await rm(aside, { recursive: true, force: true });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return template;
}

/** Resolves when Postgres says so in the eighth line of its own file; there is no event to wait for but that. */
async function accepting(data: string): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    const lines = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
    if (lines.split('\n')[7]?.trim() === 'ready') return;
    if (Date.now() > giveUpAt) throw new Error(`Postgres does not start: ${await readFile(join(data, 'log'), 'utf8').catch(String)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
