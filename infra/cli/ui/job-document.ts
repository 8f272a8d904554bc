import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseJob } from '../../../services/fuxi/core/document.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { UsageError } from './action.ts';
import { commandIdentity } from './identity.ts';

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

/** A statement is for a job that is about to be planned; a worker that is away for a day is another matter. */
const STATEMENT_MS = 86_400_000;

/** The document with who submits it, under that workflow id. */
export async function signJob(document: unknown, workflowId: string, cluster: ClusterInfo): Promise<unknown> {
  const identity = await commandIdentity(cluster);
  if (!identity) throw new UsageError('nobody is named who could sign the job: FEITIAN_IDENTITY is to name a key file with a token');
  const { jobChallenge } = await import('../../../activities/fuxi/job-challenge.ts');
  const { submitter: _, ...plain } = document as Record<string, unknown>;
  const parsed = parseJob(plain);
  if (!parsed.ok) throw new UsageError('InvalidJob: what is no job cannot be signed');
  const expires = Math.floor((Date.now() + STATEMENT_MS) / 1000);
  const { token, proof } = identity.present(jobChallenge(cluster.name, parsed.job, workflowId, expires));
  return { ...plain, submitter: { token, proof: Buffer.from(proof).toString('base64url'), expires } };
}
