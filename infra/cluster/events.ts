/** What a launcher tells the process that started it, over the channel between them, until the cluster is up or is not to be. */
export type LauncherEvent =
  /** A step is done; or left out, as something is missing that can be done without. */
  | { kind: 'step'; step: string; ms: number; detail?: string; leftOut?: true }
  | { kind: 'ready' }
  /** Another launcher holds the directory. */
  | { kind: 'occupied' }
  | { kind: 'failed'; step: string; reason: string; log?: string; tail?: string };

export type Step = Extract<LauncherEvent, { kind: 'step' }>;

/** The state of one process, for people and tests. */
export interface ProcessStatus {
  role: string;
  node?: string;
  /** Which one, where a role has several processes that belong to no node: `nuwa-1`. */
  instance?: string;
  pid?: number;
  state: string;
  /** Since it was last ready. */
  uptimeMs?: number;
  restarts: number;
  /** Where it answers Kuafu calls. */
  address?: string;
  log: string;
}

export interface ClusterStatus {
  /** `unsupervised`: the launcher is gone, and what runs goes on without it. */
  state: 'starting' | 'ready' | 'stopping' | 'unsupervised';
  launcherPid: number;
  processes: ProcessStatus[];
}
