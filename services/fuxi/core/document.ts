/**
 * The job document: from any JSON value to a `Job` in which every default stands and every pipe has become the input or the
 * output of a task, or else to the list of all that is wrong with it, each problem with its path in the document.
 * Runs in the workflow and, before anything is sent, in `feitian job submit`.
 */
import { z } from 'zod';
import { issueProblems, type Problem } from '../../base/problems.ts';
import type { Program, RecordFormat, Resources } from '../contract.ts';
import { findCycle, topologicalOrder } from './dag.ts';
import type { SubmitterStatement } from './submission.ts';

// Workflows may not compile code at run time; zod's interpreter gives the same answers.
z.config({ jitless: true });

export const INSTANCES_MAX = 20_000;
export const TASKS_MAX = 100;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const TASK_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ACCESS_POINT = /^([A-Za-z0-9][A-Za-z0-9_-]{0,63}):(input|output)$/;
const PANGU_PATH = /^pangu:\/\/[^/]+\/.*/;

const panguPath = z.string().regex(PANGU_PATH, 'must be a path such as pangu://local/books/*.txt');

const PROGRAMS = ['command', 'module', 'operator'] as const;
/** One object and not a union, whose complaints would be about the alternative that nobody meant. */
const runSchema = z
  .strictObject(
    {
      command: z.array(z.string().min(1)).min(1, 'must name a program').optional(),
      module: z
        .string()
        .regex(/^[^#]+#[A-Za-z_$][\w$]*$/, 'must be "<file>.ts#<export>"')
        .optional(),
      operator: z.string().optional(),
      options: z.record(z.string(), z.unknown()).optional(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with a "command" or a "module"' : undefined) },
  )
  .refine(
    (run) => PROGRAMS.filter((program) => run[program] !== undefined).length === 1,
    'must have a "command" or a "module", and one of them only',
  );

const taskSchema = z.strictObject({
  run: runSchema,
  package: panguPath.optional(),
  instances: z.custom<number | 'auto'>(isInstances, `must be "auto" or a whole number from 1 to ${INSTANCES_MAX}`).default('auto'),
  resources: z
    .strictObject({
      cpu: z.number().min(0.01, 'must be at least 0.01').default(1),
      memoryMiB: z.number().min(16, 'must be at least 16').default(256),
      virtual: z.record(z.string(), z.number().nonnegative()).default({}),
    })
    .prefault({}),
  retry: z.strictObject({ maxAttempts: z.int().min(1).max(100).default(4) }).prefault({}),
  backup: z
    .strictObject({
      enabled: z.boolean().default(true),
      slowdown: z.number().min(1.1).default(2),
      afterFraction: z.number().min(0).max(1).default(0.5),
    })
    .prefault({}),
});

const formatSchema = z.union([z.literal('lines'), z.strictObject({ fixedBytes: z.int().min(1) })], {
  error: 'must be "lines" or { "fixedBytes": n }',
});

const pipeSchema = z.strictObject({
  source: z.union(
    [
      z.strictObject({ filePattern: panguPath, format: formatSchema.default('lines'), splitBytes: z.int().min(1).optional() }),
      z.strictObject({ accessPoint: z.string().regex(ACCESS_POINT, 'must be "<task>:output"') }),
    ],
    { error: 'must be { "filePattern", "format"? } or { "accessPoint": "<task>:output" }' },
  ),
  destination: z.union(
    [
      z.strictObject({ filePattern: panguPath, overwrite: z.boolean().default(false) }),
      z.strictObject({ accessPoint: z.string().regex(ACCESS_POINT, 'must be "<task>:input"') }),
    ],
    { error: 'must be { "filePattern", "overwrite"? } or { "accessPoint": "<task>:input" }' },
  ),
  shuffle: z.literal('hash', { error: 'must be "hash"' }).optional(),
});

function isInstances(value: unknown): boolean {
  return value === 'auto' || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= INSTANCES_MAX);
}

/** As `feitian job submit --sign` writes it: see submission.ts. */
const submitterSchema = z.strictObject({
  token: z.string().max(16_384),
  proof: z.string().regex(/^[A-Za-z0-9_-]{86}$/, 'must be a signature in base64url'),
  expires: z.int().min(0),
});

export const jobSchema = z.strictObject({
  name: z.string().regex(NAME, 'must be 1 to 100 letters, digits, "_", "." or "-"'),
  user: z.string().min(1).max(100).default('default'),
  quotaGroup: z.string().min(1).max(100).default('default'),
  priority: z.int().min(0).max(9).default(5),
  tasks: z.record(z.string().regex(TASK_NAME, 'a task name is 1 to 64 letters, digits, "_" or "-"'), taskSchema),
  pipes: z.array(pipeSchema).default([]),
  submitter: submitterSchema.optional(),
});
type Document = z.output<typeof jobSchema>;
/** With holes where a pipe has problems of its own. */
type Readable = Omit<Document, 'pipes'> & { pipes: (Document['pipes'][number] | undefined)[] };

/** A document can be wrong in more ways than anybody reads, and than a failure may carry. */
const PROBLEMS_TOLD_MAX = 50;
const TOLD_TEXT_MAX = 300;

export interface FileSource {
  filePattern: string;
  /** Length of a split; the file's chunk length when absent. */
  splitBytes?: number;
}

export type TaskSource =
  | { kind: 'none' }
  | { kind: 'files'; sources: FileSource[]; format: RecordFormat }
  | { kind: 'shuffle'; from: string[] };

export type TaskDestination = { kind: 'none' } | { kind: 'shuffle'; to: string } | { kind: 'files'; directory: string; overwrite: boolean };

export interface Task {
  name: string;
  program: Program;
  package?: string;
  instances: number | 'auto';
  resources: Resources;
  maxAttempts: number;
  backup: { enabled: boolean; slowdown: number; afterFraction: number };
  input: TaskSource;
  output: TaskDestination;
}

export interface Job {
  name: string;
  user: string;
  quotaGroup: string;
  priority: number;
  tasks: Record<string, Task>;
  /** Task names, each after all it reads from. */
  order: string[];
  submitter?: SubmitterStatement;
}

export type ParsedJob = { ok: true; job: Job } | { ok: false; problems: Problem[] };

export function parseJob(document: unknown): ParsedJob {
  const parsed = readJob(document);
  return parsed.ok ? parsed : { ok: false, problems: bounded(parsed.problems) };
}

function bounded(problems: Problem[]): Problem[] {
  const short = (text: string): string => (text.length > TOLD_TEXT_MAX ? `${text.slice(0, TOLD_TEXT_MAX)}…` : text);
  const told = problems.slice(0, PROBLEMS_TOLD_MAX).map(({ path, message }) => ({ path: short(path), message: short(message) }));
  const more = problems.length - told.length;
  return more > 0 ? [...told, { path: '', message: `and ${more} problems more` }] : told;
}

function readJob(document: unknown): ParsedJob {
  const parsed = jobSchema.safeParse(document);
  const hidden = hiddenTasks(document);
  if (parsed.success && hidden.length === 0) return connect(parsed.data);
  const problems = [...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, document))), ...hidden];
  const more = connect(readable(document));
  const told = (path: string): boolean => problems.some((problem) => problem.path === path || problem.path.startsWith(`${path}.`));
  return { ok: false, problems: [...problems, ...(more.ok ? [] : more.problems.filter(({ path }) => !told(path)))] };
}

/** What of a document with problems can be read all the same, so that all that is wrong is told at once. */
function readable(document: unknown): Readable {
  const { tasks, pipes } = (document ?? {}) as { tasks?: unknown; pipes?: unknown };
  const anything: z.output<typeof taskSchema> = taskSchema.parse({ run: { command: ['unreadable'] } });
  const named = typeof tasks === 'object' && tasks !== null && !Array.isArray(tasks) ? Object.entries(tasks) : [['', undefined] as const];
  return {
    name: '',
    user: '',
    quotaGroup: '',
    priority: 0,
    tasks: Object.fromEntries(
      named.map(([name, task]) => [name, taskSchema.safeParse(task).data ?? { ...anything, run: readableRun(task) }]),
    ),
    pipes: Array.isArray(pipes) ? pipes.map((pipe) => pipeSchema.safeParse(pipe).data ?? readablePipe(pipe)) : [],
  };
}

function readableRun(task: unknown): z.output<typeof runSchema> {
  const operator = fieldOf(fieldOf(task, 'run'), 'operator');
  return typeof operator === 'string' ? { operator } : { command: ['unreadable'] };
}

/** Its ends, if both can be made out. */
function readablePipe(pipe: unknown): Readable['pipes'][number] {
  const end = (side: unknown) => {
    const [filePattern, accessPoint] = [fieldOf(side, 'filePattern'), fieldOf(side, 'accessPoint')];
    if (typeof filePattern === 'string' && PANGU_PATH.test(filePattern)) return { filePattern, format: 'lines' as const, overwrite: false };
    return typeof accessPoint === 'string' && ACCESS_POINT.test(accessPoint) ? { accessPoint } : undefined;
  };
  const [source, destination] = [end(fieldOf(pipe, 'source')), end(fieldOf(pipe, 'destination'))];
  if (!source || !destination) return undefined;
  // What is wrong with it was told, so it counts as what was meant.
  return { source, destination, ...('accessPoint' in source && 'accessPoint' in destination ? { shuffle: 'hash' as const } : {}) };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

/** Zod leaves this key out, whatever the schema says of keys. */
function hiddenTasks(document: unknown): Problem[] {
  const tasks = fieldOf(document, 'tasks');
  const hidden = typeof tasks === 'object' && tasks !== null && Object.hasOwn(tasks, '__proto__');
  return hidden ? [{ path: 'tasks.__proto__', message: 'is no name for a task' }] : [];
}

function connect(document: Readable): ParsedJob {
  const problems: Problem[] = [];
  const refuse = (path: string, message: string): void => void problems.push({ path, message });
  const tasks: Record<string, Task> = {};

  const names = Object.keys(document.tasks);
  if (names.length === 0) refuse('tasks', 'must hold at least one task');
  if (names.length > TASKS_MAX) refuse('tasks', `holds ${names.length} tasks; at most ${TASKS_MAX} are allowed`);
  for (const [name, spec] of Object.entries(document.tasks)) {
    const { command, module, operator } = spec.run;
    if (operator !== undefined) refuse(`tasks.${name}.run.operator`, `there is no operator "${operator}"; give a "command" or a "module"`);
    tasks[name] = {
      name,
      program: module === undefined ? { command: command ?? [] } : { module },
      ...(spec.package === undefined ? {} : { package: spec.package }),
      instances: spec.instances,
      resources: spec.resources,
      maxAttempts: spec.retry.maxAttempts,
      backup: spec.backup,
      input: { kind: 'none' },
      output: { kind: 'none' },
    };
  }

  const known = (accessPoint: string, side: 'input' | 'output', path: string): Task | undefined => {
    const [, name, port] = ACCESS_POINT.exec(accessPoint)!;
    if (port !== side) refuse(path, `"${accessPoint}" stands where "<task>:${side}" is wanted`);
    else if (!Object.hasOwn(document.tasks, name!)) refuse(path, `there is no task "${name}"; tasks are ${names.join(', ')}`);
    return port === side && Object.hasOwn(tasks, name!) ? tasks[name!] : undefined;
  };

  for (const [i, pipe] of document.pipes.entries()) {
    const at = `pipes[${i}]`;
    if (!pipe) continue;
    const { source, destination } = pipe;
    if ('filePattern' in source && 'filePattern' in destination) {
      refuse(at, 'goes from files to files; one end must be a task');
      continue;
    }
    const between = 'accessPoint' in source && 'accessPoint' in destination;
    if (between && !pipe.shuffle) refuse(`${at}.shuffle`, 'a pipe between tasks needs "shuffle": "hash"');
    if (!between && pipe.shuffle) refuse(`${at}.shuffle`, 'only a pipe between two tasks can shuffle');

    const from = 'accessPoint' in source ? known(source.accessPoint, 'output', `${at}.source.accessPoint`) : undefined;
    const to = 'accessPoint' in destination ? known(destination.accessPoint, 'input', `${at}.destination.accessPoint`) : undefined;
    if (from) {
      if (from.output.kind !== 'none') refuse(`${at}.source.accessPoint`, `${from.name}:output has a pipe already; a task has one output`);
      else if ('filePattern' in destination) from.output = fileOutput(destination, `${at}.destination.filePattern`, refuse);
      else if (to) from.output = { kind: 'shuffle', to: to.name };
    }
    if (to && 'filePattern' in source) addFiles(to, source, at, refuse);
    if (to && from && 'accessPoint' in destination) {
      if (to.input.kind === 'files')
        refuse(`${at}.destination.accessPoint`, `${to.name}:input reads files already; it can't read a shuffle too`);
      else to.input = { kind: 'shuffle', from: to.input.kind === 'shuffle' ? [...to.input.from, from.name] : [from.name] };
    }
  }

  refuseClashingOutputs(document, refuse);
  const edges = (name: string): string[] => {
    const input = tasks[name]?.input;
    return input?.kind === 'shuffle' ? input.from : [];
  };
  const cycle = findCycle(Object.keys(tasks), edges);
  if (cycle) refuse('pipes', `the tasks form a circle: ${cycle.join(' → ')}`);
  if (problems.length > 0) return { ok: false, problems };

  const { name, user, quotaGroup, priority, submitter } = document;
  const job: Job = { name, user, quotaGroup, priority, tasks, order: topologicalOrder(names, edges) };
  return { ok: true, job: submitter ? { ...job, submitter } : job };
}

type Refuse = (path: string, message: string) => void;

function addFiles(
  task: Task,
  source: { filePattern: string; format: 'lines' | { fixedBytes: number }; splitBytes?: number | undefined },
  at: string,
  refuse: Refuse,
): void {
  const format: RecordFormat = source.format === 'lines' ? { kind: 'lines' } : { kind: 'fixed', bytes: source.format.fixedBytes };
  const added: FileSource = { filePattern: source.filePattern, ...(source.splitBytes ? { splitBytes: source.splitBytes } : {}) };
  if (task.input.kind === 'shuffle') return refuse(at, `${task.name}:input reads a shuffle already; it can't read files too`);
  if (task.input.kind === 'none') task.input = { kind: 'files', sources: [added], format };
  else if (JSON.stringify(task.input.format) !== JSON.stringify(format))
    refuse(`${at}.source.format`, `${task.name}:input has another format already; all files of one input have the same`);
  else task.input.sources.push(added);
}

function fileOutput(destination: { filePattern: string; overwrite: boolean }, path: string, refuse: Refuse): TaskDestination {
  const directory = destination.filePattern.replace(/\/+$/, '');
  const segments = directory.split('/').slice(3);
  if (segments.length === 0) refuse(path, 'must name a directory below the root');
  if (segments[0] === '.fuxi') refuse(path, '/.fuxi is where jobs keep their own files');
  if (/[*?[\]{}]/.test(directory)) refuse(path, 'a destination is one directory, without wildcards');
  if (segments.some((segment) => segment === '.' || segment === '..' || segment === '')) refuse(path, 'has an empty segment, "." or ".."');
  return { kind: 'files', directory, overwrite: destination.overwrite };
}

function refuseClashingOutputs(document: Readable, refuse: Refuse): void {
  const seen: { directory: string; at: string }[] = [];
  for (const [i, pipe] of document.pipes.entries()) {
    if (!pipe || !('filePattern' in pipe.destination)) continue;
    const at = `pipes[${i}].destination.filePattern`;
    const directory = `${pipe.destination.filePattern.replace(/\/+$/, '')}/`;
    const other = seen.find((earlier) => directory.startsWith(earlier.directory) || earlier.directory.startsWith(directory));
    if (other) refuse(at, `is, or lies within, the destination of ${other.at}`);
    seen.push({ directory, at });
  }
}

/** Zod's issue as problems with paths; of a union, the problems of the alternative that the writer seems to have meant. */
function problemsOf(issue: z.core.$ZodIssue, document: unknown): Problem[] {
  if (issue.code === 'invalid_union') {
    const closest = [...issue.errors]
      .filter((errors) => errors.some((error) => error.path.length > 0))
      .sort((a, b) => strangeness(a) - strangeness(b))[0];
    const value = at(document, issue.path);
    if (closest && typeof value === 'object' && value !== null)
      return closest.flatMap((error) => problemsOf({ ...error, path: [...issue.path, ...error.path] } as z.core.$ZodIssue, document));
  }
  return issueProblems(issue);
}

/** Missing and unknown fields count more than a bad value in a field that is there. */
function strangeness(errors: z.core.$ZodIssue[]): number {
  return errors.reduce((sum, error) => {
    if (error.code === 'unrecognized_keys') return sum + 10 * error.keys.length;
    return sum + (error.code === 'invalid_type' && error.input === undefined ? 10 : 1);
  }, 0);
}

function at(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  );
}
