/**
 * A Postgres of our own: data in a directory, one port on 127.0.0.1, a random password, no unix socket. What it acknowledged is on disk
 * (`fsync` and `synchronous_commit` stay on): Pangu's names and chunk places live here.
 */
import { spawn } from 'node:child_process';
import { chown, mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { ClusterError } from '../errors.ts';
import { type PostgresPrograms, postgresPrograms } from '../setup/postgres.ts';
import { runProgram } from '../setup/run-program.ts';
import { ownPassword } from './own-password.ts';
import { freePort } from './ports.ts';
import { placeData } from './postgres-place.ts';

const USER = 'feitian';
const DATABASE = 'feitian';

/** Postgres's own names. The sizes suit a small machine: metadata of some million files, a hundred connections. */
const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '64MB',
  max_connections: '200',
  max_wal_size: '512MB',
  checkpoint_timeout: '15min',
  // Nobody replicates from here, so the log needs to hold only what recovery needs.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  // Compiling a query pays for reports of seconds, not for look-ups of less than one millisecond.
  jit: 'off',
  // In-process reads instead of three more processes: the data fits into memory.
  io_method: 'sync',
};

export interface PostgresHome {
  programs: PostgresPrograms;
  dataDir: string;
  password: string;
}

/** Makes `<directory>/postgres` with a fresh database, or takes the one that is there. */
export async function preparePostgres(directory: string): Promise<PostgresHome> {
  const programs = await postgresPrograms();
  const password = await ownPassword(join(directory, 'keys', 'postgres-password'));
  const dataDir = await placeData(join(directory, 'postgres'), programs.runAs);
  if (!(await exists(join(dataDir, 'PG_VERSION')))) await initialise(programs, dataDir, password);
  return { programs, dataDir, password };
}

/** Done aside and renamed, so that a start that was broken off leaves no half database. */
async function initialise({ initdb, runAs }: PostgresPrograms, dataDir: string, password: string): Promise<void> {
  const aside = `${dataDir}.new`;
  const passwordDir = await mkdtemp(join(tmpdir(), 'feitian-'));
  try {
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { mode: 0o700 });
    const passwordFile = join(passwordDir, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (runAs) for (const path of [aside, passwordDir, passwordFile]) await chown(path, runAs.uid, runAs.gid);
    const args = [
      '--pgdata',
      aside,
      '--username',
      USER,
      '--pwfile',
      passwordFile,
      '--auth',
      'scram-sha-256',
      '--locale',
      'C',
      '--encoding',
      'UTF8',
    ];
    await runProgram(initdb, args, { timeoutMs: 120_000, cwd: '/', env: postgresEnvironment(), ...runAs });
    // Onto the empty directory that placeData may have made.
    await rename(aside, dataDir);
  } finally {
    await rm(passwordDir, { recursive: true, force: true });
    await rm(aside, { recursive: true, force: true });
  }
}

/** The command line of a server. SIGINT stops it at once and cleanly, SIGTERM would wait for clients to go. */
export function postgresCommand({ programs, dataDir }: PostgresHome, port: number): { command: string; args: string[] } {
  const settings = Object.entries({ ...SETTINGS, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return { command: programs.postgres, args: ['-D', dataDir, ...settings] };
}

/** Nothing of the caller's PG… variables, and messages in one language. */
export function postgresEnvironment(): Record<string, string | undefined> {
  const cleared = Object.fromEntries(Object.keys(process.env).map((name) => [name, name.startsWith('PG') ? undefined : process.env[name]]));
  return { ...cleared, LC_ALL: 'C', TZ: 'UTC' };
}

export function postgresUrl({ password }: PostgresHome, port: number, database = DATABASE): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Waits until the server answers, then makes our database when it isn't there yet. */
export async function awaitPostgres(home: PostgresHome, port: number, signal?: AbortSignal): Promise<void> {
  const sql = connect(postgresUrl(home, port, 'postgres'));
  try {
    for (;;) {
      signal?.throwIfAborted();
      try {
        const [found] = await sql`select 1 from pg_database where datname = ${DATABASE}`;
        if (!found) await sql`create database ${sql(DATABASE)}`;
        return;
      } catch (error) {
        if (!NOT_YET.includes((error as { code: string }).code)) throw error;
        await delay(25, undefined, { signal });
      }
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Refused, cut off, and "the database system is starting up". */
const NOT_YET = ['ECONNREFUSED', 'ECONNRESET', 'CONNECTION_CLOSED', '57P03'];

/** One question to the database that the environment names. Errors: BadConfig, with the reason and without the password. */
export async function checkDatabase(url: string): Promise<void> {
  let shown = url;
  try {
    shown = new URL(url).host + new URL(url).pathname;
    const sql = connect(url);
    try {
      await sql`select 1`;
    } finally {
      await sql.end({ timeout: 1 });
    }
  } catch (cause) {
    const { message, code } = cause as Error & { code?: string };
    throw new ClusterError('BadConfig', `the database of FEITIAN_DATABASE_URL (${shown}) does not answer: ${message || code}`, { cause });
  }
}

function connect(url: string) {
  return postgres(url, { max: 1, connect_timeout: 10, onnotice: () => {}, fetch_types: false });
}

export interface RunningPostgres {
  /** With the password; of the database `feitian`. */
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** A Postgres by itself in `directory`, for tests that need nothing else of a cluster. It goes on if the caller dies, so stop it. */
export async function startPostgres(directory: string): Promise<RunningPostgres> {
  await mkdir(directory, { recursive: true });
  const home = await preparePostgres(directory);
  const port = await freePort();
  const { command, args } = postgresCommand(home, port);
  const log = await open(join(directory, 'postgres.log'), 'a');
  const child = spawn(command, args, { stdio: ['ignore', log.fd, log.fd], cwd: '/', env: postgresEnvironment(), ...home.programs.runAs });
  await log.close();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const giveUp = new AbortController();
  void ended.then(() => giveUp.abort(new ClusterError('StartFailed', `postgres ended; see ${join(directory, 'postgres.log')}`)));
  const stop = async (): Promise<void> => {
    child.kill('SIGINT');
    await ended;
  };
  try {
    await awaitPostgres(home, port, giveUp.signal);
  } catch (error) {
    await stop();
    throw giveUp.signal.aborted ? giveUp.signal.reason : error;
  }
  return { url: postgresUrl(home, port), pid: child.pid!, stop };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
