import type { ChunkState, FileKind, FileState } from './states.ts';

/**
 * What is wrong with a file, judged from its rows and from which servers are there. `error`: bytes are lost, cannot be read, or have less redundancy than
 * they could have; or the tables contradict themselves. `warning`: it goes by itself (a server that restarts, one replica too many), or is safe but could be safer.
 */
export const FSCK_KINDS = [
  'unavailable', // no replica is on a server that is there, or all that are were found damaged
  'under', // fewer replicas than the file wants and servers could hold
  'bad', // a replica's bytes are not what was written
  'missing', // a replica's file is not on its disk
  'holes', // the chunks of a closed file leave a gap, overlap, or are not sealed
  'size', // the size of a file is not that of its chunks
  'abandoned', // its writer is gone, and nobody has closed it
  'quota', // what is counted for a quota is not what is there
  'away', // a replica is on a server that is away, and counted until it is dead
  'over', // more replicas than the file wants
  'crowded', // all replicas are in one rack, and there are others
  'unverified', // its server did not answer, or not about this
] as const;
export type FsckKind = (typeof FSCK_KINDS)[number];

const WARNINGS: readonly FsckKind[] = ['away', 'over', 'crowded', 'unverified'];

export function severityOf(kind: FsckKind): 'error' | 'warning' {
  return WARNINGS.includes(kind) ? 'warning' : 'error';
}

export interface Finding {
  kind: FsckKind;
  detail: string;
  nodes: string[];
}

export interface FsckServer {
  id: string;
  rack: string;
  draining?: boolean;
}

export interface FsckChunk {
  state: ChunkState;
  length: number;
  wanted: number;
  nodes: readonly string[];
  /** Each of its replicas was found damaged, and none whole since. */
  damaged?: boolean;
}

/** `dead`: nodes whose replicas count no more. An open chunk is its writer's to look after: of it only readers are asked for. */
export function judgeChunk(chunk: FsckChunk, servers: readonly FsckServer[], dead: readonly string[]): Finding[] {
  const { state, length, wanted } = chunk;
  const nodes = [...chunk.nodes].sort();
  const up = nodes.flatMap((node) => servers.find(({ id }) => id === node) ?? []);
  const counted = nodes.filter((node) => !dead.includes(node));
  const found: Finding[] = [];
  if (up.length === 0 && length > 0)
    found.push({ kind: 'unavailable', detail: describe(nodes, 'it lies on', 'no replica is known'), nodes });
  else if (chunk.damaged) found.push({ kind: 'unavailable', detail: 'each of its replicas was found damaged', nodes });
  if (state === 'open') return found;

  const possible = Math.max(counted.length, servers.filter(({ draining }) => !draining).length);
  const enough = Math.min(wanted, possible);
  if (counted.length < enough) found.push({ kind: 'under', detail: `${counted.length} of ${enough} replicas`, nodes });
  if (up.length > wanted) found.push({ kind: 'over', detail: `${up.length} replicas, ${wanted} are wanted`, nodes });
  const away = counted.filter((node) => !up.some(({ id }) => id === node));
  if (away.length > 0 && up.length > 0) found.push({ kind: 'away', detail: describe(away, 'waits for', ''), nodes: away });
  const racks = new Set(up.map(({ rack }) => rack));
  const others = servers.some(({ rack, draining }) => !draining && !racks.has(rack));
  if (up.length > 1 && up.length === counted.length && racks.size === 1 && others)
    found.push({ kind: 'crowded', detail: `all replicas are in rack ${[...racks][0]}`, nodes });
  return found;
}

export interface FsckFile {
  state: FileState;
  kind: FileKind;
  size: number;
  /** Sum of the lengths of its chunks. */
  bytes: number;
  /** Whether all are sealed and tile the file. */
  whole: boolean;
  /** Null: nobody said who. */
  writer: string | null;
  idleMs: number;
}

/** A writer whom nobody can ask about is given this long. */
const IDLE_MS_MAX = 3600_000;

/** `writers`: those that live; undefined where nobody knows. */
export function judgeFile(file: FsckFile, writers: ReadonlySet<string> | undefined): Finding[] {
  const found: Finding[] = [];
  const { state, kind, size, bytes, whole, writer, idleMs } = file;
  // Chunks of a random file are as long as they may become, and are not there where it has holes.
  if (size !== bytes && kind !== 'random')
    found.push({ kind: 'size', detail: `${size} bytes are told, its chunks have ${bytes}`, nodes: [] });
  if (state === 'closed' && kind === 'append' && !whole) found.push({ kind: 'holes', detail: 'its chunks do not make it up', nodes: [] });
  if (state === 'open' && kind === 'append') {
    const gone = writer !== null && writers !== undefined && !writers.has(writer);
    if (gone || (writer === null && idleMs > IDLE_MS_MAX))
      found.push({
        kind: 'abandoned',
        detail: writer === null ? 'nobody has written to it for an hour' : `its writer ${writer} is gone`,
        nodes: [],
      });
  }
  return found;
}

function describe(nodes: readonly string[], what: string, none: string): string {
  return nodes.length === 0 ? none : `${what} ${nodes.join(', ')}`;
}
