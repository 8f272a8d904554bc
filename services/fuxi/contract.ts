import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';
import { resourceOf, wholeOf } from '../kuafu/resource-contract.ts';

/**
 * Fuxi's public words, shared by workflows, activities, FuxiMaster, Tubo and the programs that run in containers.
 *
 * A *job* is a DAG of *tasks*; a task is many *instances*; an instance is tried in *attempts*; *pipes* carry data.
 * A *container* is a share of one node (cpu, memory) that FuxiMaster granted to one TaskMaster; it runs one attempt at a time.
 * A *batch* is what one activity runs in one container: attempts one after the other.
 * Payloads carry Pangu paths, never data.
 */
export const FUXI_CODES = [
  'InvalidJob', // the document; details.problems: { path, message }[]
  'InputNotFound', // a file pattern matches nothing, or cannot be read
  'InputCorrupt', // the input does not have the format it was said to have
  'OutputExists', // a destination is there already and not to be overwritten
  'ProgramNotFound', // the command, module or package is not there
  'ProgramFailed', // exit code or signal, or the module threw; details.exitCode, details.stderr
  'ShuffleLost', // outputs of an earlier task cannot be read any more; details.task, details.instances
  'StorageFailed', // Pangu refused: no space, no replica; the cause is in the message
  'NodeLost', // the node or its Tubo went away in mid-attempt
  'Killed', // given up: cancelled, revoked, or another attempt was first
  'UnknownContainer',
  'SubmitterUnknown', // where a cluster asks who submits: nobody said, or the statement does not hold
  'PermissionDenied', // the submitter may not touch what the job touches
] as const;
export type FuxiCode = (typeof FUXI_CODES)[number];

export class FuxiError extends FeitianError<FuxiCode> {
  static readonly codes = FUXI_CODES;
}

// ---- names that programs outside rely on ----

/** The task queue of jobs and of every activity that is not bound to a node. */
export const FEITIAN_QUEUE = 'feitian';
/** The task queue of the Tubo on one node. */
export const tuboQueue = (node: string): string => `tubo:${node}`;
/** Where jobs keep what is not published; one directory per workflow run. */
export const JOBS_DIRECTORY = '/.fuxi';
export const jobDirectory = (runId: string): string => `${JOBS_DIRECTORY}/${runId}`;
export const taskDirectory = (runId: string, task: string): string => `${jobDirectory(runId)}/${task}`;
/** The private output of one attempt. */
export const attemptPath = (directory: string, instance: number, attempt: number): string =>
  `${directory}/${String(instance).padStart(5, '0')}.${attempt}`;
/** The published name of one instance's output. */
export const partName = (instance: number): string => `part-${String(instance).padStart(5, '0')}`;

export const FUXI_MASTER_SERVICE = 'fuxi-master';
export const TUBO_SERVICE = 'tubo';

/**
 * Nodes that belong to the cluster, whether they are up or not: `/nodes/<id>` in Nuwa, its value `{ "rack", "leaving"? }` as JSON. A Tubo writes it down when it
 * starts; it goes when the node leaves the cluster for good.
 */
export const NODES_PATH = '/nodes';

/** Search attributes of jobs and their types; a cluster registers them when it starts. */
export const SEARCH_ATTRIBUTES = {
  FeitianJobName: 'KEYWORD',
  FeitianUser: 'KEYWORD',
  FeitianQuotaGroup: 'KEYWORD',
  FeitianPriority: 'INT',
  FeitianPhase: 'KEYWORD',
} as const;

/** The names of signals, queries and updates, for callers in any language. */
export const SIGNALS = {
  grant: 'grant',
  containersLost: 'containersLost',
  resync: 'resync',
  partial: 'partial',
  inputsRepaired: 'inputsRepaired',
  control: 'control',
  taskProgress: 'taskProgress',
  shuffleLost: 'shuffleLost',
} as const;

// ---- what one attempt is asked to do ----

/** Which attempt of each instance won: `first` for all but the exceptions, so that it stays small in a payload. */
export interface Winners {
  instances: number;
  first: number;
  exceptions: Record<string, number>;
}

export type RecordFormat = { kind: 'lines' } | { kind: 'fixed'; bytes: number };

export type TaskInput =
  | { kind: 'none' }
  /** `splits`: Pangu path of a JSON file of type `SplitsFile`. */
  | { kind: 'files'; splits: string; format: RecordFormat }
  /** Partition number = instance number; outputs of every winner of every source task, merged by key. */
  | { kind: 'shuffle'; from: { task: string; directory: string; winners: Winners }[] };

export type TaskOutput =
  | { kind: 'none' }
  /** One file per attempt at `attemptPath(directory, …)`, `partitions` sorted runs and an index; one unsynced replica on the attempt's node. */
  | { kind: 'shuffle'; directory: string; partitions: number }
  /** One file per attempt at `attemptPath(directory, …)`, to be published. */
  | { kind: 'files'; directory: string };

/** Ranges are `[file index, offset, length]`. A record belongs to the range its first byte lies in. */
export interface SplitsFile {
  files: string[];
  instances: [number, number, number][][];
}

export type Program = { command: string[] } | { module: string };

export interface Resources {
  cpu: number;
  memoryMiB: number;
  virtual: Record<string, number>;
}

export interface Container {
  id: string;
  node: string;
}

export interface BatchRequest {
  job: { workflowId: string; runId: string; name: string; user: string };
  task: string;
  /** Who gets the `partial` signal. */
  taskWorkflowId: string;
  taskRunId: string;
  batch: number;
  container: Container;
  resources: Resources;
  program: Program;
  /** Pangu path of a `.tgz`, unpacked in the attempts' working directory. */
  package?: string;
  input: TaskInput;
  output: TaskOutput;
  attempts: { instance: number; attempt: number; backup: boolean }[];
  /** After this long, attempts not yet started are given back by a `partial` signal, and the one that runs goes on. */
  budgetMs: number;
}

export interface AttemptCounts {
  ms: number;
  bytesIn: number;
  bytesOut: number;
  recordsIn: number;
  recordsOut: number;
}

export type AttemptResult =
  | ({ instance: number; attempt: number; ok: true } & AttemptCounts)
  | {
      instance: number;
      attempt: number;
      ok: false;
      ms: number;
      code: FuxiCode;
      message: string;
      /** For `ShuffleLost`: what must be made again. */
      lost?: { task: string; instances: number[] };
    };

/**
 * What the activity `runBatch` returns. When an attempt in it failed the activity fails with an ApplicationFailure of type
 * `AttemptFailed` that carries this same value as its first detail, so that the failure shows in the Web UI and nothing is lost.
 */
export interface BatchResult {
  results: AttemptResult[];
}

/** Signal `partial`: results so far, and instances given back. Results told here are not told again in `BatchResult`. */
export interface PartialSignal {
  container: string;
  batch: number;
  results: AttemptResult[];
  released: number[];
}

/** The activity's heartbeat details. */
export interface BatchHeartbeat {
  done: number;
  of: number;
  running?: { instance: number; attempt: number; bytesIn: number; recordsIn: number };
}

// ---- FuxiMaster ----

const resourcesSchema = z.object({
  cpu: z.number().positive(),
  memoryMiB: z.number().positive(),
  virtual: z.record(z.string(), z.number().nonnegative()).default({}),
});
export const containerSchema = z.object({ id: z.string(), node: z.string() });

/** Everything one TaskMaster wants and has. Sending it again changes nothing; after a crash of FuxiMaster it restores what was lost. */
export const exchangeSchema = z.object({
  taskWorkflowId: z.string(),
  taskRunId: z.string(),
  /** Grows with each exchange of one TaskMaster; an older one that arrives late is ignored. */
  sequence: z.number().int(),
  /** The life of FuxiMaster whose grants `grantSeen` counts; empty before the first grant. Grants of any other life count as not seen. */
  epoch: z.string().default(''),
  /** The highest grant number the TaskMaster has seen: later ones are on their way and count as held. */
  grantSeen: z.number().int(),
  user: z.string(),
  quotaGroup: z.string(),
  priority: z.number().int(),
  resources: resourcesSchema,
  /** Containers wanted in all, those held included. 0 = everything goes back. */
  want: z.number().int().nonnegative(),
  holding: z.array(containerSchema),
  /** Nodes this task will not use. */
  avoid: z.array(z.string()),
  /** How many instances would rather run on each node. */
  prefer: z.record(z.string(), z.number().int()),
});
export type Exchange = z.input<typeof exchangeSchema>;

/** Signal `grant`. Numbers start at 1 and grow by one per signal to one TaskMaster run under one `epoch` (one life of FuxiMaster). */
export interface GrantSignal {
  epoch: string;
  number: number;
  containers: Container[];
}

/** Signal `resync`: FuxiMaster began a new life, this epoch, and wants to hear everything again. */
export interface ResyncSignal {
  epoch: string;
}

/** Signal `containersLost`: their node went away, or its Tubo started anew. */
export interface ContainersLostSignal {
  containers: string[];
  reason: string;
}

/** What a job's run left on the nodes: attempts and their logs. */
const ofRun = (runId: string, cluster: string): string => resourceOf('fuxi', cluster, 'runs', runId);

export const fuxiMasterService = defineService(FUXI_MASTER_SERVICE, {
  errors: FuxiError,
  methods: {
    exchange: method({
      request: exchangeSchema,
      response: z.object({
        epoch: z.string(),
        held: z.number().int(),
        waiting: z.number().int(),
        /** Why what is waited for can't come as the cluster is now: more than any node has. */
        never: z.string().optional(),
      }),
      idempotent: true,
      access: { operation: 'run', on: ({ quotaGroup }, cluster) => resourceOf('fuxi', cluster, 'quota', quotaGroup) },
    }),
    nodes: method({
      request: z.object({}),
      response: z.object({
        nodes: z.array(
          z.object({
            id: z.string(),
            rack: z.string(),
            cpu: z.number(),
            memoryMiB: z.number(),
            cpuUsed: z.number(),
            memoryMiBUsed: z.number(),
            containers: z.number().int(),
          }),
        ),
        waiting: z.array(
          z.object({ taskWorkflowId: z.string(), want: z.number(), held: z.number(), priority: z.number(), why: z.string() }),
        ),
      }),
      idempotent: true,
      access: { operation: 'read', on: wholeOf('fuxi') },
    }),
  },
});

// ---- Tubo ----

export const tuboService = defineService(TUBO_SERVICE, {
  errors: FuxiError,
  methods: {
    /** What ran here for a job run (or now, when `runId` is absent). */
    attempts: method({
      request: z.object({ runId: z.string().optional() }),
      response: z.object({
        attempts: z.array(
          z.object({
            runId: z.string(),
            task: z.string(),
            instance: z.number().int(),
            attempt: z.number().int(),
            state: z.enum(['running', 'done', 'failed', 'killed']),
            pid: z.number().int().optional(),
            startedAtMs: z.number(),
            logBytes: z.number().int(),
          }),
        ),
      }),
      idempotent: true,
      access: { operation: 'read', on: ({ runId }, cluster) => (runId === undefined ? `fuxi://${cluster}/runs` : ofRun(runId, cluster)) },
    }),
    /** Standard error of one attempt, at most `length` bytes from `offset`. */
    log: method({
      request: z.object({
        runId: z.string(),
        task: z.string(),
        instance: z.number().int(),
        attempt: z.number().int(),
        offset: z.number().int().nonnegative(),
        length: z.number().int().positive().max(4_194_304),
      }),
      response: z.object({ totalBytes: z.number().int() }),
      replyAttachment: true,
      idempotent: true,
      access: { operation: 'read', on: ({ runId }, cluster) => ofRun(runId, cluster) },
    }),
  },
});

/** What FuxiMaster and Tubo need of the workflow engine; infra fills it in with a Temporal client. */
export interface WorkflowPort {
  /** `gone` when there is no such run or it has ended. */
  signal(workflowId: string, runId: string | undefined, name: string, payload: unknown): Promise<'sent' | 'gone'>;
  /** Running executions of one workflow type. */
  listRunning(workflowType: string): Promise<{ workflowId: string; runId: string }[]>;
}

// ---- what clients see ----

export const JOB_PHASES = ['planning', 'running', 'publishing', 'done', 'failed', 'cancelled'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export interface TaskProgress {
  instances: number;
  done: number;
  running: number;
  /** Attempts that failed so far, whatever became of their instance. */
  failedAttempts: number;
  backups: number;
  /** Instances made again because their output was lost. */
  rerun: number;
  containers: number;
  bytesIn: number;
  bytesInTotal: number;
  bytesOut: number;
  recordsIn: number;
  recordsOut: number;
  /** Time that the attempts which won took, added up. */
  attemptMs: number;
  startedAtMs?: number;
  finishedAtMs?: number;
  /** What it waits for that no node of now can give. */
  waits?: string;
}

/** Answer of the query `progress`. */
export interface JobProgress {
  name: string;
  phase: JobPhase;
  paused: boolean;
  tasks: Record<string, TaskProgress>;
  /** Directories that were, or will be, published. */
  outputs: string[];
  failure?: string;
  startedAtMs: number;
  finishedAtMs?: number;
  /** Milliseconds spent planning and publishing. */
  planMs?: number;
  publishMs?: number;
}

/** Answer of the query `plan`. */
export interface JobPlan {
  tasks: Record<
    string,
    { instances: number; after: string[]; inputBytes: number; inputFiles: number; program: string; resources: Resources }
  >;
  order: string[];
  outputs: { task: string; directory: string; overwrite: boolean }[];
}

/** Answer of the query `why`: decisions, oldest first, each with the rule and the numbers it saw. */
export interface Decision {
  atMs: number;
  task?: string;
  rule: string;
  because: string;
}

/** What the workflow `fuxiJob` returns. */
export interface JobResult {
  outputs: { directory: string; files: number; bytes: number; records: number }[];
  tasks: Record<string, TaskProgress>;
}
