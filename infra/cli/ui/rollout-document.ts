import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type RolloutDocument, rolloutWorkflowId } from '../../../services/dayu/contract.ts';
import { parseRollout } from '../../../services/dayu/core/rollout.ts';
import { UsageError } from './action.ts';

/** The flags of `feitian dayu deploy`; what is absent gets the document's default. */
export interface RolloutFlags {
  nodes?: string[];
  racks?: string[];
  canary?: number;
  waveSize?: number | string;
  maxUnavailable?: number | string;
  bake?: number;
  healthyWithin?: number;
  approval?: boolean;
  onFailure?: string;
  user?: string;
}

export function rolloutDocument(application: string, version: string, flags: RolloutFlags): RolloutDocument {
  const { nodes, racks, bake, healthyWithin, canary, waveSize, maxUnavailable, approval, onFailure, user } = flags;
  const given = <T extends object>(fields: T): Partial<T> =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
  const gate = given({ bakeMs: bake, healthyWithinMs: healthyWithin });
  const targets = given({ nodes, racks });
  const document = {
    application,
    version,
    ...given({ user, canary, waveSize, maxUnavailable, approval, onFailure }),
    ...(Object.keys(targets).length > 0 ? { targets } : {}),
    ...(Object.keys(gate).length > 0 ? { gate } : {}),
  };
  return checked(document, 'this rollout');
}

/** Reads a document from a file or, as `-`, from standard input. It is sent as it stands; problems show here, with their paths, before that. */
export async function readRolloutDocument(file: string): Promise<RolloutDocument> {
  const name = file === '-' ? 'standard input' : file;
  const json = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT'
        ? `${name} is not there; give an application and a version, or the file of a rollout document`
        : `${name} cannot be read: ${error.message}`,
    );
  });
  try {
    return checked(JSON.parse(json), name);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name} is not JSON: ${(error as Error).message}`);
  }
}

function checked(document: unknown, name: string): RolloutDocument {
  const parsed = parseRollout(document);
  if (parsed.ok) return document as RolloutDocument;
  const lines = parsed.problems.map(({ path, message }) => `  ${path || 'document'}: ${message}`);
  throw new UsageError(`InvalidRollout: ${name} has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}\n${lines.join('\n')}`);
}

export function newRolloutId(application: string): string {
  return rolloutWorkflowId(application, randomBytes(3).toString('hex'));
}
