/**
 * Where the data of Postgres lies: in the cluster's directory. Only when we are root, so that Postgres runs as another user, and that user can't get
 * there, as below /root, it lies in a public place, and in the cluster's directory is a link to it. `feitian down --delete-data` removes both.
 * Somebody may remove a cluster's directory by hand. If that was a temporary one, its data is removed when another one is made in the public place;
 * any other may have been moved, with its link, and is left alone.
 */
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ClusterError } from '../errors.ts';
import { publicDirectory } from '../setup/postgres.ts';
import { canEnter, type UserIds } from '../setup/postgres-user.ts';

/** @returns the directory that holds the data, or is to hold it. Errors: NoPostgres. */
export async function placeData(path: string, runAs: UserIds | undefined): Promise<string> {
  const entry = await lstat(path).catch(() => undefined);
  if (entry?.isSymbolicLink()) {
    const target = await readlink(path);
    if (await exists(target)) return target;
    throw new ClusterError('NoPostgres', `the data of Postgres was in ${target} and is gone; remove ${dirname(path)} to begin anew`);
  }
  if (entry || !runAs || (await letIn(dirname(path), runAs))) return path;
  const home = await publicHome();
  await removeOrphans(home);
  const target = await mkdtemp(join(home, 'postgres-'));
  await chown(target, runAs.uid, runAs.gid);
  await symlink(target, path);
  await writeFile(ownerFile(target), path); // last: an owner without a link to it would be taken for gone
  return target;
}

/** Removes the data that a link at `path` leads to; what lies in the directory itself goes with it. */
export async function removePlacedData(path: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined);
  if (target) await remove(target);
}

/** Others may pass through our own directory, not look into it; what else is in it has modes of its own. The folders above it are not ours to open. */
async function letIn(directory: string, user: UserIds): Promise<boolean> {
  if (await canEnter(directory, user)) return true;
  const { mode, uid } = await stat(directory);
  if (uid !== process.getuid?.()) return false;
  await chmod(directory, mode | 0o011);
  if (await canEnter(directory, user)) return true;
  await chmod(directory, mode);
  return false;
}

async function publicHome(): Promise<string> {
  const home = join(await publicDirectory(), 'data');
  await mkdir(home, { recursive: true, mode: 0o755 });
  return home;
}

async function removeOrphans(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const target = join(home, name);
    const link = await readFile(ownerFile(target), 'utf8').catch(() => undefined);
    if (!link?.startsWith(`${tmpdir()}/`)) continue;
    if ((await readlink(link).catch(() => undefined)) !== target) await remove(target);
  }
}

async function remove(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await rm(ownerFile(target), { force: true });
}

const ownerFile = (target: string): string => `${target}.owner`;

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
