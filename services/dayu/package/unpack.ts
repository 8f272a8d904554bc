/**
 * Unpacks a package that came over a network from somebody: its checksum first, then every entry of it, then aside, and only then under its name, so that a
 * release's directory is there whole or not at all, also after the machine lost its power.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { extract, Parser, type ReadEntry } from 'tar';
import { FeitianError, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { DayuError, type Problem } from '../contract.ts';
import { ArchiveCheck, type ArchiveEntry, PACKAGE_BYTES_MAX } from '../core/archive.ts';
import { storageFailure } from '../storage-failure.ts';
import { syncDirectory, syncTree } from './sync.ts';

const KINDS: Partial<Record<ReadEntry['type'], ArchiveEntry['kind']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  GNUDumpDir: 'directory',
  SymbolicLink: 'symlink',
  Link: 'hardlink',
};

/** What counts is how much it becomes, which `ArchiveCheck` bounds; zeros are packed by more than a thousand to one. */
const ANY_RATIO = Number.POSITIVE_INFINITY;

/** `into` must not be there yet; its parent must. Errors: BadPackage, StorageFailed. */
export async function unpackPackage(file: string, into: string, digest: string): Promise<void> {
  const aside = `${into}.${newId()}.new`;
  try {
    await checkDigest(file, digest);
    await checkEntries(file);
    await mkdir(aside);
    await extract({ file, cwd: aside, strict: true, preserveOwner: false, maxDecompressionRatio: ANY_RATIO });
    await syncTree(aside);
    await rename(aside, into);
    await syncDirectory(dirname(into));
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (error instanceof FeitianError) throw error;
    // The system's errors have a number; what the archive is to blame for has not.
    if ((error as NodeJS.ErrnoException).errno !== undefined && !isZlibError(error))
      throw storageFailure(error, `unpack package ${digest}`);
    throw new DayuError('BadPackage', `package ${digest} cannot be unpacked: ${messageOf(error)}`, { cause: error });
  }
}

const isZlibError = (error: unknown): boolean => /^Z_/.test((error as NodeJS.ErrnoException).code ?? '');

async function checkDigest(file: string, digest: string): Promise<void> {
  const { size } = await stat(file);
  if (size > PACKAGE_BYTES_MAX)
    throw new DayuError('BadPackage', `package ${digest} has ${size} bytes, at most ${PACKAGE_BYTES_MAX} are allowed`);
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file)) hash.update(bytes as Buffer);
  const found = hash.digest('hex');
  if (found === digest) return;
  throw new DayuError('BadPackage', `the bytes of package ${digest} have another checksum: ${found}`, { details: { digest, found } });
}

async function checkEntries(file: string): Promise<void> {
  const check = new ArchiveCheck();
  const problems: Problem[] = [];
  let broken: unknown;
  const parser = new Parser({
    strict: true,
    maxDecompressionRatio: ANY_RATIO,
    onReadEntry(entry) {
      const { path, type, size, linkpath } = entry;
      const kind = KINDS[type] ?? 'other';
      const problem = check.add({ path, kind, bytes: kind === 'file' ? size : 0, ...(linkpath === undefined ? {} : { target: linkpath }) });
      if (problem) problems.push(problem);
      entry.resume();
    },
  });
  const ended = new Promise<void>((resolve) => {
    parser.on('end', resolve);
    parser.on('error', (error: unknown) => {
      broken ??= error;
      resolve();
    });
  });
  for await (const bytes of createReadStream(file)) {
    parser.write(bytes as Buffer);
    if (problems.length > 0 || broken) break;
  }
  if (problems.length === 0 && !broken) {
    parser.end();
    await ended;
  }
  if (broken) throw broken;
  const [problem] = problems;
  if (problem) throw new DayuError('BadPackage', `${problem.path} ${problem.message}`, { details: { problems: [problem] } });
}
