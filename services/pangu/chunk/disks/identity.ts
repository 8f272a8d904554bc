import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { newId } from '../../../base/ids.ts';
import { writeWhole } from './write-whole.ts';

/** What a disk says of itself, in `disk.json` at its root: whose it is, so that it is known again at another path, and refused in another node. */
const identitySchema = z.object({ id: z.string().min(1), node: z.string(), cluster: z.string() });
export type DiskIdentity = z.infer<typeof identitySchema>;

export const IDENTITY_FILE = 'disk.json';

/** Undefined: there is none. An unreadable one is an error: it may be of another node. */
export async function readIdentity(path: string): Promise<DiskIdentity | undefined> {
  const text = await readFile(join(path, IDENTITY_FILE), 'utf8').catch(nothingIfMissing);
  return text === undefined ? undefined : identitySchema.parse(JSON.parse(text));
}

export async function makeIdentity(path: string, owner: { node: string; cluster: string }): Promise<DiskIdentity> {
  const identity = { id: newId('d'), ...owner };
  await writeWhole(path, IDENTITY_FILE, `${JSON.stringify(identity)}\n`);
  return identity;
}

/**
 * The disks that a chunk server has had, in `disks.json` of its own directory: what tells a disk that is not mounted from one that is new. Whoever gives a
 * disk up for good takes its entry out.
 */
const recordSchema = z.array(z.object({ id: z.string(), path: z.string() }));
export type DiskRecord = z.infer<typeof recordSchema>;
export const RECORD_FILE = 'disks.json';

export async function readRecord(dataDir: string): Promise<DiskRecord> {
  const text = await readFile(join(dataDir, RECORD_FILE), 'utf8').catch(nothingIfMissing);
  return text === undefined ? [] : recordSchema.parse(JSON.parse(text));
}

export async function writeRecord(dataDir: string, record: DiskRecord): Promise<void> {
  await writeWhole(dataDir, RECORD_FILE, `${JSON.stringify(record, undefined, 2)}\n`);
}

function nothingIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
