import type { Job } from './document.ts';

/**
 * What a job's submitter signs, where a cluster asks for it: this very job, under this workflow id, until then. Temporal lets in whoever may start workflows, and knows no
 * resources of ours; with the statement in the document the cluster knows who it is that wants the data, and asks whether that one may have it.
 *
 * The statement is no secret: it is good for nothing but the same job again. It holds the submitter's token, which is worth nothing without the key.
 */
export interface SubmitterStatement {
  token: string;
  /** Base64url. */
  proof: string;
  /** Seconds, as in tokens. */
  expires: number;
}

/** One text for one job: what is meant, with its defaults, whatever the document looked like. */
export function submissionText(job: Job, workflowId: string, expires: number): string {
  const { submitter: _, ...meant } = job;
  return JSON.stringify(['feitian job 1', workflowId, expires, inOrder(meant)]);
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => [key, inOrder(each)]);
}

export interface Touched {
  operation: 'read' | 'write';
  /** `pangu://<cluster>/…` */
  path: string;
}

/** All files that a job reads and writes in its submitter's name; its private ones are the cluster's. */
export function touchedBy(job: Job): Touched[] {
  const touched = Object.values(job.tasks).flatMap(({ input, output, package: archive, program }): Touched[] => [
    ...(input.kind === 'files' ? input.sources.map(({ filePattern }) => reads(belowOf(filePattern))) : []),
    ...(output.kind === 'files' ? [{ operation: 'write', path: output.directory } as const] : []),
    ...(archive === undefined ? [] : [reads(archive)]),
    ...('module' in program && program.module.startsWith('pangu://') ? [reads(program.module.replace(/#[^#]*$/, ''))] : []),
  ]);
  return [...new Map(touched.map((each) => [`${each.operation} ${each.path}`, each])).values()];
}

const reads = (path: string): Touched => ({ operation: 'read', path });

/** Whatever could mean more than one name, to any reader of patterns. To take a name for a pattern asks for more than is needed, never for less. */
const WILD = /[*?[\]{}()!+@|\\]/;

/** The directory that all files of a pattern lie below; a path without wildcards is itself. */
function belowOf(pattern: string): string {
  const [scheme = '', empty = '', cluster = '', ...segments] = pattern.split('/');
  const wild = segments.findIndex((segment) => WILD.test(segment));
  return [scheme, empty, cluster, ...(wild < 0 ? segments : segments.slice(0, wild))].join('/').replace(/^(pangu:\/\/[^/]+)$/, '$1/');
}
