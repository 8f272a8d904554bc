import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { DiskState } from '../../core/disk-space.ts';
import { type DiskIdentity, type DiskRecord, makeIdentity, readIdentity, readRecord, writeRecord } from './identity.ts';

/**
 * Which disks a chunk server has, found out once when it starts:
 *
 *   named, of this node             used, wherever it is mounted now
 *   named, without identity         a new one, if this server does not remember a disk at that path; else that disk is `missing`: its mount may have
 *                                   failed, and chunks must not be written into the empty mount point. An empty file system that is mounted there is new
 *   named, of another node          `refused`: its chunks are counted there
 *   not named, but remembered       `retiring`, if it is there: it gives what it has to the others. So does the server's own directory with chunks in it
 *
 * Nobody names any: those that are remembered; else the server's own directory, as it was before there could be several. A disk that is not usable is
 * told and does not stop the server.
 */
export interface FoundDisk {
  id: string;
  path: string;
  state: Exclude<DiskState, 'failed'>;
  reason?: string;
}

export interface DisksOf {
  node: string;
  cluster: string;
  dataDir: string;
  /** @default those that are remembered, else `dataDir` */
  disks?: readonly string[];
}

export async function findDisks({ node, cluster, dataDir, disks }: DisksOf): Promise<FoundDisk[]> {
  await mkdir(dataDir, { recursive: true });
  const remembered = await readRecord(dataDir);
  const named = await namesOf(dataDir, disks, remembered);
  const own = await canonical(dataDir);
  const retiring = remembered.map(({ path }) => path);
  if (!named.includes(own) && (await readdir(join(own, 'chunks')).catch(() => [])).length > 0) retiring.push(own);
  const identities = new Map<string, DiskIdentity | Error | undefined>();
  for (const path of new Set([...named, ...retiring])) identities.set(path, await identityAt(path));

  const found: FoundDisk[] = [];
  const isFound = (id: string): boolean => found.some((disk) => disk.id === id && disk.state !== 'missing' && disk.state !== 'refused');
  const judge = async (path: string, state: 'healthy' | 'retiring'): Promise<FoundDisk> => {
    const identity = identities.get(path);
    const before = remembered.find((disk) => disk.path === path && !isElsewhere(disk.id, path, identities));
    const id = before?.id ?? path;
    if (identity instanceof Error) return { id, path, state: 'missing', reason: messageOf(identity) };
    if (identity === undefined) {
      if (before && !(await isFreshMount(path))) return { id, path, state: 'missing', reason: `disk ${id} was here before and is not now` };
      return beginDisk(path, state, { node, cluster });
    }
    const { id: own } = identity;
    if (identity.cluster !== cluster || identity.node !== node)
      return {
        id: own,
        path,
        state: 'refused',
        reason: `disk ${own} is of ${identity.node} in cluster ${identity.cluster}, this is ${node} in ${cluster}`,
      };
    if (isFound(own))
      return { id: `${own} (again)`, path, state: 'refused', reason: `disk ${own} is there twice; a copy of a disk is no disk` };
    return { id: own, path, state };
  };
  for (const path of named) found.push(await judge(path, 'healthy'));
  for (const path of new Set(retiring)) {
    const isKnown = named.includes(path) || remembered.some((disk) => disk.path === path && isFound(disk.id));
    if (!isKnown) found.push(await judge(path, 'retiring'));
  }
  await remember(dataDir, remembered, found);
  return found;
}

async function namesOf(dataDir: string, disks: readonly string[] | undefined, remembered: DiskRecord): Promise<string[]> {
  const given = disks && disks.length > 0 ? disks : remembered.length > 0 ? remembered.map(({ path }) => path) : [dataDir];
  const named = await Promise.all(given.map(canonical));
  return [...new Set(named)];
}

/** The same directory under two names is one disk. */
function canonical(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

function identityAt(path: string): Promise<DiskIdentity | Error | undefined> {
  return readIdentity(path).catch((error) => (error instanceof Error ? error : new Error(String(error))));
}

function isElsewhere(id: string, path: string, identities: ReadonlyMap<string, DiskIdentity | Error | undefined>): boolean {
  return [...identities].some(([other, identity]) => other !== path && identity && 'id' in identity && identity.id === id);
}

/** Something is mounted here, and nothing is on it. */
async function isFreshMount(path: string): Promise<boolean> {
  try {
    const [here, above, names] = await Promise.all([stat(path), stat(dirname(path)), readdir(path)]);
    return here.dev !== above.dev && names.every((name) => name === 'lost+found');
  } catch {
    return false;
  }
}

async function beginDisk(path: string, state: 'healthy' | 'retiring', owner: { node: string; cluster: string }): Promise<FoundDisk> {
  try {
    await mkdir(path, { recursive: true });
    const { id } = await makeIdentity(path, owner);
    return { id, path, state };
  } catch (error) {
    return { id: path, path, state: 'missing', reason: messageOf(error) };
  }
}

/** A missing one is remembered, so that its path is not taken for a new disk's. */
async function remember(dataDir: string, before: DiskRecord, found: readonly FoundDisk[]): Promise<void> {
  const known = found.filter(({ id, path, state }) => state !== 'refused' && id !== path).map(({ id, path }) => ({ id, path }));
  const lost = before.filter((disk) => !found.some(({ id }) => id === disk.id));
  const record = [...known, ...lost];
  if (JSON.stringify(record) !== JSON.stringify(before)) await writeRecord(dataDir, record);
}
