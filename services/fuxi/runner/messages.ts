/** What Tubo and the runner of one container say to each other, as JSON over the channel that was opened when the runner was spawned. */
import type { SecurityConfig } from '../../zhongkui/contract.ts';
import type { AttemptResult, BatchRequest } from '../contract.ts';

/** Tubo → runner. One at a time; the next only after the result of the one before. */
export interface AttemptOrder extends Pick<BatchRequest, 'job' | 'task' | 'resources' | 'program' | 'input' | 'output'> {
  instance: number;
  attempt: number;
  /** The working directory holds the job's package. */
  packaged: boolean;
  /** Where standard error goes. */
  logFile: string;
  /** Absent where nobody asks who calls. */
  identity?: AttemptIdentity;
  /** W3C traceparent; the program gets it as TRACEPARENT. */
  trace?: string;
}

/** A private key in PEM and a token for it; of one attempt only. */
export interface AttemptIdentity {
  key: string;
  token: string;
}

/** Tubo → runner, while an attempt runs: its identity, renewed. */
export interface IdentityRenewal {
  kind: 'identity';
  identity: AttemptIdentity;
}

/** Runner → Tubo. */
export type RunnerMessage =
  | { kind: 'ready' }
  /** About every half second while an attempt runs. */
  | { kind: 'progress'; bytesIn: number; recordsIn: number }
  | { kind: 'result'; result: AttemptResult };

/** What the runner is told by its environment. Programs see `FEITIAN_PROGRAMS_DIR` and what belongs to their attempt, nothing of this. */
export interface RunnerEnvironment {
  cluster: string;
  node: string;
  /** Kuafu addresses of the Nuwa servers. */
  nuwa: string[];
  /** The machine's certificate and key, where the cluster speaks TLS. */
  tls?: SecurityConfig['tls'];
  /** Directories with programs that belong to no package. */
  programs: string[];
  /** The container's own directory: `work/` (working directory), `scratch/` (spills), `tmp/`, `programs/` (fetched from Pangu). */
  directory: string;
}

export function toEnvironment(environment: RunnerEnvironment): Record<string, string> {
  return {
    FEITIAN_CLUSTER: environment.cluster,
    FEITIAN_NODE: environment.node,
    FEITIAN_NUWA: environment.nuwa.join(','),
    ...(environment.tls ? { FEITIAN_TLS_CERTIFICATE: environment.tls.certificateFile, FEITIAN_TLS_KEY: environment.tls.keyFile } : {}),
    FEITIAN_PROGRAMS: environment.programs.join(':'),
    FEITIAN_CONTAINER_DIR: environment.directory,
  };
}

export function fromEnvironment(env: NodeJS.ProcessEnv): RunnerEnvironment {
  const value = (name: string): string => {
    const text = env[name];
    if (text === undefined) throw new Error(`the runner is started by Tubo, which sets ${name}`);
    return text;
  };
  const { FEITIAN_TLS_CERTIFICATE: certificateFile, FEITIAN_TLS_KEY: keyFile } = env;
  return {
    cluster: value('FEITIAN_CLUSTER'),
    node: value('FEITIAN_NODE'),
    nuwa: value('FEITIAN_NUWA').split(',').filter(Boolean),
    ...(certificateFile !== undefined && keyFile !== undefined ? { tls: { certificateFile, keyFile } } : {}),
    programs: value('FEITIAN_PROGRAMS').split(':').filter(Boolean),
    directory: value('FEITIAN_CONTAINER_DIR'),
  };
}
