import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';
import { resourceOf, wholeOf } from '../kuafu/resource-contract.ts';

// One front door: what activities ask an agent stands in a file of its own for its length only.
export type * from './agent-contract.ts';

/**
 * Dayu's public words, shared by workflows, activities, the master, the agents and the command.
 *
 * A *package* is an archive with a descriptor at its root. Registered it is a *release*: one version of an *application*. An application has
 * one or several *roles*, each a program; a node that runs the application runs one *instance* of each role. A *placement* says which release a node
 * is meant to run, since when and why. A *rollout* takes the placements of an application from where they are to one release, in *waves*.
 */
export const DAYU_CODES = [
  'InvalidDescriptor', // details.problems: { path, message }[]
  'InvalidRollout', // the document; details.problems
  'InvalidExpand', // the same for nodes that come
  'InvalidShrink', // and for nodes that go
  'BadPackage', // the archive: broken, leads outside its directory, not what its checksum says
  'UnknownApplication',
  'UnknownVersion', // details.versions: those there are
  'UnknownNode', // details.nodes: those there are
  'VersionExists', // the version is registered with another content; versions never change
  'RolloutInProgress', // details.workflowId
  'StartFailed', // an instance could not be started, or ended by itself before it was healthy
  'Unhealthy', // an instance runs and its health check does not pass
  'StorageFailed', // Pangu or the node's disk refused
  'Superseded', // a newer order for the application came to the node
] as const;
export type DayuCode = (typeof DAYU_CODES)[number];

export class DayuError extends FeitianError<DayuCode> {
  static readonly codes = DAYU_CODES;
}

/** What is wrong with a document, and where: `roles.web.health.http.path`; empty for the document itself. */
export const problemSchema = z.object({ path: z.string(), message: z.string() });
export type Problem = z.infer<typeof problemSchema>;

// ---- names that programs outside rely on ----

export const DAYU_MASTER_SERVICE = 'dayu-master';
export const DAYU_AGENT_SERVICE = 'dayu-agent';
/** The descriptor's file in a package. */
export const DESCRIPTOR_FILE = 'dayu.json';
/** Packages in Pangu, by the SHA-256 of the archive in hex. */
export const PACKAGES_DIRECTORY = '/.dayu/packages';
export const packagePath = (digest: string): string => `${PACKAGES_DIRECTORY}/${digest}.tgz`;
/** Under this name instances of a role are found: `nuwa://<cluster>/<application>-<role>/<node>`. */
export const serviceName = (application: string, role: string): string => `${application}-${role}`;
/** The workflow of a rollout, unless whoever starts it chose another id. */
export const rolloutWorkflowId = (application: string, suffix: string): string => `rollout-${application}-${suffix}`;

/** Search attributes of rollouts, expansions and shrinkings, beside `FeitianUser` and `FeitianPhase`. */
export const DAYU_SEARCH_ATTRIBUTES = { FeitianApplication: 'KEYWORD', FeitianVersion: 'KEYWORD' } as const;

// ---- packages and releases ----

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
export const applicationName = z.string().regex(NAME, 'must be 1 to 40 lower-case letters, digits and "-"');
export const versionName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_", "+" or "-"');
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex');
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable');
const milliseconds = (defaultMs: number) => z.int().min(1).max(3_600_000).default(defaultMs);

/** How an instance is asked whether it is well. Exactly one of `http`, `tcp` and `command`; without any, running is being well. */
export const healthSchema = z.strictObject({
  /** GET; 200 to 299 is well. `port` is one of the role's. */
  http: z.strictObject({ port: z.string(), path: z.string().startsWith('/').default('/') }).optional(),
  /** A connection can be made. */
  tcp: z.strictObject({ port: z.string() }).optional(),
  /** Exit code 0; same directory and environment as the instance. */
  command: z.array(z.string().min(1)).min(1).optional(),
  intervalMs: milliseconds(1_000),
  timeoutMs: milliseconds(2_000),
  /** So many failures in a row make a healthy instance unhealthy. */
  failuresMax: z.int().min(1).max(100).default(2),
});

export const roleSchema = z.strictObject({
  /** Run in the release's directory, in a process group of its own. */
  command: z.array(z.string().min(1)).min(1, 'must name a program'),
  environment: z.record(variable, z.string()).default({}),
  /**
   * By name; 0 is any free one. An instance finds port `http` in `PORT_HTTP`, and the only or first one in `PORT` too. The first is the one that is
   * registered in Nuwa.
   */
  ports: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be 1 to 32 lower-case letters, digits and "_"'), z.int().min(0).max(65_535))
    .default({}),
  /** What it needs; told to people, not yet taken from what Fuxi gives out. */
  resources: z.strictObject({ cpu: z.number().positive().default(0.1), memoryMiB: z.number().positive().default(64) }).prefault({}),
  health: healthSchema.prefault({}),
  /** After it was taken out of Nuwa and before it is asked to stop: callers have this long to hear of it. */
  drainMs: z.int().min(0).max(600_000).default(1_000),
  /** From SIGTERM to SIGKILL. */
  stopGraceMs: milliseconds(10_000),
});
export type RoleDescriptor = z.output<typeof roleSchema>;

/** `dayu.json`. What a schema cannot say is checked by `parseDescriptor` (core/descriptor.ts). */
export const descriptorSchema = z.strictObject({
  name: applicationName,
  version: versionName,
  roles: z.record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be 1 to 40 lower-case letters, digits and "-"'), roleSchema),
});
export type Descriptor = z.output<typeof descriptorSchema>;

export const releaseSchema = z.object({
  application: applicationName,
  version: versionName,
  digest: digestSchema,
  bytes: z.int(),
  descriptor: descriptorSchema,
  createdAtMs: z.number(),
});
export type Release = z.output<typeof releaseSchema>;

/** Configuration of an application: environment variables that all of its instances get, over those of the descriptor. Each change is a new version. */
export const configurationSchema = z.object({ version: z.int().min(0), values: z.record(variable, z.string()) });
export type Configuration = z.output<typeof configurationSchema>;

/** All that a node has to know to run a release. */
export const deploymentSchema = z.object({
  release: releaseSchema.omit({ createdAtMs: true }),
  configuration: configurationSchema,
});
export type Deployment = z.output<typeof deploymentSchema>;

// ---- placements and rollouts, as the master keeps them ----

export const placementSchema = z.object({
  node: z.string(),
  version: versionName,
  configuration: z.int(),
  sinceMs: z.number(),
  /** Such as `rollout-hello-1a2b3c, canary` or `rolled back: StartFailed: …`. */
  why: z.string(),
  /** False from the order until it was healthy; so also where a rollout was stopped half way. A rollout to the same version does it again. */
  settled: z.boolean().optional(),
});
export type Placement = z.output<typeof placementSchema>;

const ROLLOUT_ENDS = ['done', 'unchanged', 'rolledBack', 'aborted', 'failed'] as const;
export const ROLLOUT_STATES = ['running', ...ROLLOUT_ENDS] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export const rolloutRecordSchema = z.object({
  workflowId: z.string(),
  runId: z.string(),
  application: applicationName,
  version: versionName,
  user: z.string(),
  state: z.enum(ROLLOUT_STATES),
  /** Why it ended as it did; empty while it runs and when all went well. */
  reason: z.string(),
  startedAtMs: z.number(),
  endedAtMs: z.number().optional(),
});
export type RolloutRecord = z.output<typeof rolloutRecordSchema>;

export const applicationSchema = z.object({
  application: applicationName,
  /** Newest first. */
  releases: z.array(releaseSchema),
  configuration: configurationSchema,
  placements: z.array(placementSchema),
  /** The one under way, or the last. */
  rollout: rolloutRecordSchema.optional(),
});
export type Application = z.output<typeof applicationSchema>;

/** One line of an application's history: a node came to run something, or a rollout began or ended. */
export const historyEntrySchema = z.object({
  atMs: z.number(),
  kind: z.enum(['release', 'configuration', 'rollout', 'placement']),
  node: z.string().optional(),
  version: z.string().optional(),
  /** What happened and why, as a sentence. */
  text: z.string(),
  workflowId: z.string().optional(),
  /** Of a rollout that ended. */
  outcome: z.enum(ROLLOUT_STATES).exclude(['running']).optional(),
});
export type HistoryEntry = z.output<typeof historyEntrySchema>;

// ---- the rollout document: the one argument of the workflow `dayuRollout` ----

const COUNT = 'must be a whole number from 1, or "1%" to "100%"';
const count = z.union([z.int(COUNT).min(1, COUNT), z.string().regex(/^([1-9]\d?|100)%$/, COUNT)], { error: COUNT });

export const rolloutSchema = z.strictObject({
  application: applicationName,
  /** A registered version. */
  version: versionName,
  user: z.string().min(1).max(100).default('default'),
  /**
   * Which nodes run it afterwards. Default: those that run the application now, or all nodes when none does. Nodes that run the application and are
   * not among the targets are left as they are.
   */
  targets: z
    .strictObject({ nodes: z.array(z.string().min(1)).min(1).optional(), racks: z.array(z.string().min(1)).min(1).optional() })
    .optional(),
  /** Nodes of the first wave; 0 is none. */
  canary: z.int().min(0).default(1),
  /** Nodes of each wave after it, a share being of all targets; each wave stays within one rack. */
  waveSize: count.default('50%'),
  /** So many targets may be without a healthy instance at a time. */
  maxUnavailable: count.default(1),
  gate: z
    .strictObject({
      /** An instance that is not healthy after so long never will be. */
      healthyWithinMs: milliseconds(30_000),
      /** After each wave all of it must stay healthy for so long. */
      bakeMs: z.int().min(0).max(86_400_000).default(10_000),
    })
    .prefault({}),
  /** Wait for the update `approve` after the canary. */
  approval: z.boolean().default(false),
  /** What a gate that fails does: `rollback` at once, or `pause` for a person to decide. */
  onFailure: z.enum(['rollback', 'pause']).default('rollback'),
});
export type RolloutDocument = z.input<typeof rolloutSchema>;
export type Rollout = z.output<typeof rolloutSchema>;

export const ROLLOUT_PHASES = ['planning', 'rolling', 'baking', 'waiting', 'paused', 'rollingBack', ...ROLLOUT_ENDS] as const;
export type RolloutPhase = (typeof ROLLOUT_PHASES)[number];

export type StepState = 'pending' | 'deploying' | 'healthy' | 'failed' | 'rollingBack' | 'rolledBack';

/** Answer of the query `plan`. */
export interface RolloutPlan {
  application: string;
  version: string;
  waves: { kind: 'canary' | 'wave'; rack: string; steps: { node: string; from?: string; to: string }[]; because: string }[];
  /** Targets that run it already. */
  unchanged: string[];
  maxUnavailable: number;
}

/** Answer of the query `progress`. */
export interface RolloutProgress {
  application: string;
  version: string;
  phase: RolloutPhase;
  /** The wave under way, from 1; 0 before the first. */
  wave: number;
  waves: number;
  nodes: Record<string, { state: StepState; from?: string; to: string; wave: number; message?: string }>;
  /** Why it stopped, or why it was rolled back. */
  reason?: string;
  startedAtMs: number;
  finishedAtMs?: number;
}

/** What `dayuRollout` returns. A gate that fails, and so the rollback that follows by itself, fails the workflow with type `RolledBack`. */
export interface RolloutResult {
  outcome: Extract<RolloutState, 'done' | 'unchanged' | 'rolledBack' | 'aborted'>;
  nodes: Record<string, string>;
  reason?: string;
}

// ---- the master ----

/** What a plan is made of, at one moment. */
export const planFactsSchema = z.object({
  /** All nodes that are there, with what they run of this application. */
  nodes: z.array(z.object({ id: z.string(), rack: z.string() })),
  placements: z.array(placementSchema),
  /** Of the version to come. */
  deployment: deploymentSchema,
  /** Of every version that a placement names: what a node goes back to. */
  earlier: z.array(deploymentSchema),
});
export type PlanFacts = z.output<typeof planFactsSchema>;

const rolloutKey = { workflowId: z.string(), runId: z.string() };

const ofApplication = ({ application }: { application: string }, cluster: string): string => resourceOf('dayu', cluster, application);

export const dayuMasterService = defineService(DAYU_MASTER_SERVICE, {
  errors: DayuError,
  methods: {
    /** Registered again with the same content it is a no-op (`created: false`). Errors: InvalidDescriptor, VersionExists, BadPackage (not in Pangu). */
    registerRelease: method({
      request: z.object({ descriptor: z.unknown(), digest: digestSchema, bytes: z.int().min(1) }),
      response: z.object({ release: releaseSchema, created: z.boolean() }),
      idempotent: true,
      access: { operation: 'write', on: wholeOf('dayu') },
    }),
    applications: method({
      request: z.object({}),
      response: z.object({ applications: z.array(applicationSchema) }),
      idempotent: true,
      access: { operation: 'read', on: wholeOf('dayu') },
    }),
    /** Errors: UnknownApplication. */
    application: method({
      request: z.object({ application: applicationName }),
      response: applicationSchema,
      idempotent: true,
      access: { operation: 'read', on: ofApplication },
    }),
    /** A new version of the configuration: the values of now with these over them; null takes one away. Errors: UnknownApplication. */
    configure: method({
      request: z.object({ application: applicationName, values: z.record(variable, z.string().nullable()), user: z.string() }),
      response: configurationSchema,
      access: { operation: 'write', on: ofApplication },
    }),
    /** Newest first. Errors: UnknownApplication. */
    history: method({
      request: z.object({ application: applicationName, limit: z.int().min(1).max(1_000).default(100) }),
      response: z.object({ entries: z.array(historyEntrySchema) }),
      idempotent: true,
      access: { operation: 'read', on: ofApplication },
    }),
    /**
     * The application belongs to this workflow run until `endRollout`. Asked again by the same run it answers the same. A holder that Temporal no longer
     * knows as running loses it. Errors: UnknownApplication, UnknownVersion, UnknownNode, RolloutInProgress.
     */
    beginRollout: method({
      request: z.object({ ...rolloutKey, rollout: rolloutSchema }),
      response: planFactsSchema,
      idempotent: true,
      access: { operation: 'run', on: ({ rollout }, cluster) => ofApplication(rollout, cluster) },
    }),
    /** A node is meant to run this version from now on; no version: nothing of this application. */
    place: method({
      request: z.object({
        ...rolloutKey,
        application: applicationName,
        node: z.string(),
        version: versionName.optional(),
        configuration: z.int(),
        /** Its instances are healthy; false: they are about to be started. */
        settled: z.boolean().default(true),
        why: z.string().max(1_000),
      }),
      response: z.object({}),
      idempotent: true,
      access: { operation: 'run', on: ofApplication },
    }),
    endRollout: method({
      request: z.object({ ...rolloutKey, state: z.enum(ROLLOUT_STATES).exclude(['running']), reason: z.string().max(4_000) }),
      response: z.object({}),
      idempotent: true,
      access: { operation: 'run', on: wholeOf('dayu') },
    }),
  },
});

// ---- the agent of one node ----

export const INSTANCE_STATES = ['starting', 'healthy', 'unhealthy', 'stopping', 'failed'] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

export const instanceSchema = z.object({
  application: applicationName,
  role: z.string(),
  node: z.string(),
  version: versionName,
  state: z.enum(INSTANCE_STATES),
  pid: z.int().optional(),
  ports: z.record(z.string(), z.int()),
  startedAtMs: z.number(),
  /** Started again by itself so many times. */
  restarts: z.int(),
  /** What is wrong, with the end of its log. */
  message: z.string().optional(),
});
export type Instance = z.output<typeof instanceSchema>;

/** What people ask an agent over Kuafu. What workflows ask comes as activities of its node's queue (`DayuAgent`). */
export const dayuAgentService = defineService(DAYU_AGENT_SERVICE, {
  errors: DayuError,
  methods: {
    instances: method({
      request: z.object({}),
      response: z.object({ instances: z.array(instanceSchema) }),
      idempotent: true,
      access: { operation: 'read', on: wholeOf('dayu') },
    }),
    /** Standard output and error of one instance, at most `length` bytes from `offset`. */
    log: method({
      request: z.object({
        application: applicationName,
        role: z.string(),
        offset: z.int().min(0),
        length: z.int().min(1).max(4_194_304),
      }),
      response: z.object({ totalBytes: z.int() }),
      replyAttachment: true,
      idempotent: true,
      access: { operation: 'read', on: ofApplication },
    }),
  },
});
