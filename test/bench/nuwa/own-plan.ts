/** What one process of our own client is to do. */
export interface OwnPlan {
  addresses: string[];
  /** `watchDoor`: watchers are sessions at the ZooKeeper door, and nodes that are made say when. */
  operation: 'set' | 'get' | 'watch' | 'announce' | 'watchDoor' | 'announceNodes' | 'load';
  /** Sessions of this process. */
  clients: number;
  /** Closed loops over these sessions, each with one call under way; of `watch`, watchers. */
  inFlight: number;
  seconds: number;
  warmUpSeconds: number;
  valueBytes: number;
  /** Of `load`: nodes from this number on, up to the next one. */
  from?: number;
  to?: number;
  /** Of `watchDoor`, `host:port` each. */
  zookeeper?: string[];
  /** Tells processes apart in the names of nodes. */
  process: number;
}

export interface OwnResult {
  /** Within the seconds that count. */
  operations: number;
  errors: number;
  /** Buckets of `Latencies`. */
  latencies: number[];
  tookMs: number;
}

/** What is watched in the fan-out; an announcement begins with the time it was made. */
export const WATCHED = '/fan-out';
export const READ_PATH = '/read';
export const WRITTEN = '/written';
export const LOADED = '/loaded';
/** A directory of a million would be listed for seconds. */
export const PER_DIRECTORY = 1_000;

/** On one machine all processes share it. */
export const wallMs = (): number => performance.timeOrigin + performance.now();
