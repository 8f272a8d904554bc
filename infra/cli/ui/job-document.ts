import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseJob } from '../../../services/fuxi/core/document.ts';
import { UsageError } from './action.ts';

/** Reads a job document from a file or, as `-`, from standard input. It is sent as it stands; problems show here, with their paths, before that. */
export async function readJobDocument(file: string): Promise<unknown> {
  const name = file === '-' ? 'standard input' : file;
  const json = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${name} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`);
  });
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${(error as Error).message}`);
  }
  const parsed = parseJob(document);
  if (parsed.ok) return document;
  const lines = parsed.problems.map(({ path, message }) => `  ${path || 'document'}: ${message}`);
  throw new UsageError(`InvalidJob: ${name} has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}\n${lines.join('\n')}`);
}

/** `<name>-<short id>`: readable, and free unless 16 million jobs of that name ran. */
export function newJobId(document: unknown): string {
  const { name } = document as { name: string };
  return `${name}-${randomBytes(3).toString('hex')}`;
}
