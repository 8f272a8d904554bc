/**
 * Makes a package out of a directory. The same content makes the same bytes, and so the same SHA-256, wherever and whenever it is packed: entries by name,
 * no times, no owners, of the modes only whether a file may be run, and nothing in gzip's header that tells of the machine.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Header, Pax } from 'tar';
import { messageOf } from '../../base/errors.ts';
import { describeProblems } from '../../base/problems.ts';
import { DayuError, DESCRIPTOR_FILE, type Descriptor, type Problem } from '../contract.ts';
import { ArchiveCheck, PACKAGE_BYTES_MAX } from '../core/archive.ts';
import { parseDescriptor } from '../core/descriptor.ts';
import { type FoundEntry, walk } from './walk.ts';

export interface Packed {
  archive: Buffer;
  /** SHA-256 of the archive, in hex. */
  digest: string;
  bytes: number;
  descriptor: Descriptor;
}

const BLOCK = 512;
/** Where gzip's header names the operating system; 255 is "unknown". */
const GZIP_OS_BYTE = 9;

/** Errors: InvalidDescriptor, BadPackage; both with details.problems. */
export async function packDirectory(directory: string): Promise<Packed> {
  const descriptor = await readDescriptor(directory);
  const entries = await findEntries(directory);
  const missing = missingPrograms(descriptor, entries);
  if (missing.length > 0) throw refusal('InvalidDescriptor', directory, missing);
  const gzip = Readable.from(tarBlocks(directory, entries)).pipe(createGzip({ level: 9 }));
  const pieces: Buffer[] = [];
  for await (const piece of gzip) pieces.push(piece as Buffer);
  const archive = Buffer.concat(pieces);
  archive[GZIP_OS_BYTE] = 255;
  if (archive.length > PACKAGE_BYTES_MAX)
    throw refusal('BadPackage', directory, [
      { path: '', message: `has ${archive.length} bytes, at most ${PACKAGE_BYTES_MAX} are allowed` },
    ]);
  return { archive, digest: createHash('sha256').update(archive).digest('hex'), bytes: archive.length, descriptor };
}

async function readDescriptor(directory: string): Promise<Descriptor> {
  let text: string;
  try {
    text = await readFile(join(directory, DESCRIPTOR_FILE), 'utf8');
  } catch (error) {
    throw refusal('InvalidDescriptor', directory, [{ path: '', message: `${DESCRIPTOR_FILE} cannot be read: ${messageOf(error)}` }], error);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw refusal('InvalidDescriptor', directory, [{ path: '', message: `${DESCRIPTOR_FILE} is no JSON: ${messageOf(error)}` }], error);
  }
  const parsed = parseDescriptor(document);
  if (!parsed.ok) throw refusal('InvalidDescriptor', directory, parsed.problems);
  return parsed.descriptor;
}

async function findEntries(directory: string): Promise<FoundEntry[]> {
  const check = new ArchiveCheck();
  const entries: FoundEntry[] = [];
  for await (const entry of walk(directory)) {
    const problem = check.add(entry);
    if (problem) throw refusal('BadPackage', directory, [problem]);
    entries.push(entry);
  }
  return entries;
}

/** A command that names a file of the package which is not there, or cannot be run, would fail on every node. */
function missingPrograms({ roles }: Descriptor, entries: readonly FoundEntry[]): Problem[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  return Object.entries(roles).flatMap(([role, { command }]) => {
    const program = command[0]!;
    if (!program.includes('/') || program.startsWith('/')) return [];
    const entry = byPath.get(join('.', program));
    const path = `roles.${role}.command[0]`;
    if (!entry) return [{ path, message: `there is no file "${program}" in the package` }];
    return entry.kind === 'symlink' || entry.executable ? [] : [{ path, message: `"${program}" is not executable` }];
  });
}

async function* tarBlocks(directory: string, entries: readonly FoundEntry[]): AsyncGenerator<Buffer> {
  for (const { path, kind, target, executable } of entries) {
    const content = kind === 'file' ? await readFile(join(directory, path)) : Buffer.alloc(0);
    const fields = {
      path: kind === 'directory' ? `${path}/` : path,
      mode: kind === 'file' && !executable ? 0o644 : 0o755,
      size: content.length,
      type: kind === 'file' ? ('File' as const) : kind === 'directory' ? ('Directory' as const) : ('SymbolicLink' as const),
      ...(target === undefined ? {} : { linkpath: target }),
    };
    const header = new Header(fields);
    // Names that the old header is too short for, or that are not ASCII, stand in one before it.
    const tooLong = header.encode();
    if (tooLong) yield new Pax({ path: fields.path, size: fields.size, ...(target === undefined ? {} : { linkpath: target }) }).encode();
    yield header.block!;
    yield content;
    yield Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function refusal(code: 'InvalidDescriptor' | 'BadPackage', directory: string, problems: Problem[], cause?: unknown): DayuError {
  return new DayuError(code, `${directory}: ${describeProblems(problems)}`, { details: { problems }, cause });
}
