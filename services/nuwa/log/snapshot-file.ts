import { createHash } from 'node:crypto';
import type { NuwaEvent } from '../contract.ts';
import type { SnapshotMark } from '../core/raft/types.ts';
import { type NodeRow, nodeRows, type SessionRow, SnapshotRestorer, sessionRows } from '../core/tree/snapshot.ts';
import { decode, encode } from './codec.ts';
import { type FileSystem, nodeFiles } from './file-system.ts';
import { writeAside } from './files.ts';
import { SALT_BYTES } from './frame.ts';
import { FrameFileReader, FrameFileWriter } from './frame-file.ts';
import type { LoadedSnapshot } from './port.ts';
import { NodeRowsWriter, readNodeRows } from './snapshot-rows.ts';

/**
 * A snapshot file: a head that says what it stands for and counts what follows; sessions; nodes; the newest events before it, so that watchers
 * resume across it; an end that counts the frames. The rows of all nodes are never in memory at once, on neither side, and the event loop is free between frames.
 *
 * Equal states with equal events give equal files, byte by byte: the salt follows from the head. So two servers' snapshots of one index can be
 * compared with `cmp`; what their events begin with may differ.
 *
 * Each frame begins with a byte that says what it holds. Nodes are in a format of their own (snapshot-rows.ts), the rest is MessagePack.
 */
const SNAPSHOT_KIND = 'NUWASNP2';
/** About this much goes into one frame: some 2 ms of work, for a server that goes on answering while it takes over another one's snapshot. */
const FRAME_BYTES = 256 * 1024;

const HEAD = 1;
const SESSIONS = 2;
const NODES = 3;
const EVENTS = 4;
const END = 5;

export interface SnapshotHead {
  mark: SnapshotMark;
  revision: number;
  sessions: number;
  /** The root among them. */
  nodes: number;
  events: number;
}

export async function writeSnapshot(
  dir: string,
  name: string,
  { mark, state, events }: LoadedSnapshot,
  files: FileSystem = nodeFiles,
): Promise<void> {
  const { revision, sessions, nodes } = state;
  const head: SnapshotHead = { mark, revision, sessions: sessions.size, nodes: nodes + 1, events: events.length };
  await writeFrames(files, dir, name, head, function* () {
    for (const rows of portions(sessionRows(state), sessionBytes)) yield frame(SESSIONS, encode(rows));
    const writer = new NodeRowsWriter();
    for (const row of nodeRows(state)) {
      writer.add(row);
      if (writer.bytes >= FRAME_BYTES) yield frame(NODES, writer.take());
    }
    if (writer.rows > 0) yield frame(NODES, writer.take());
    for (const part of portions(events, eventBytes)) yield frame(EVENTS, encode(part));
  });
}

/** Throws LogDamage at the first thing that is wrong, as the others here do. */
export async function loadSnapshot(path: string, files: FileSystem = nodeFiles): Promise<LoadedSnapshot> {
  let restorer!: SnapshotRestorer;
  const events: NuwaEvent[] = [];
  const { mark } = await readRows(files, path, {
    head: (head) => {
      restorer = new SnapshotRestorer({ index: head.mark.index, revision: head.revision });
    },
    session: (row) => restorer.addSession(row),
    node: (row) => restorer.addNode(row),
    event: (event) => events.push(event),
  });
  return { mark, state: restorer.finish(), events };
}

/** What a snapshot stands for; reads its beginning only. */
export async function snapshotMark(path: string, files: FileSystem = nodeFiles): Promise<SnapshotMark> {
  const reader = await FrameFileReader.open(files, path, SNAPSHOT_KIND);
  try {
    return (await readHead(reader)).mark;
  } finally {
    await reader.close();
  }
}

/** Reads all of it. */
export async function checkSnapshot(path: string, files: FileSystem = nodeFiles): Promise<SnapshotHead & { bytes: number }> {
  return await readRows(files, path, {});
}

async function writeFrames(
  files: FileSystem,
  dir: string,
  name: string,
  head: SnapshotHead,
  frames: () => Iterable<Uint8Array>,
): Promise<void> {
  const headFrame = frame(HEAD, encode(head));
  const salt = createHash('sha256').update(headFrame).digest().subarray(0, SALT_BYTES);
  await writeAside(
    dir,
    name,
    async (file) => {
      const writer = await FrameFileWriter.begin(file, SNAPSHOT_KIND, salt);
      await writer.write(headFrame);
      let count = 1;
      for (const each of frames()) {
        await writer.write(each);
        count++;
      }
      await writer.write(frame(END, encode(count)));
    },
    files,
  );
}

interface Takers {
  head?: (head: SnapshotHead) => void;
  session?: (row: SessionRow) => void;
  node?: (row: NodeRow) => void;
  event?: (event: NuwaEvent) => void;
}

/** All rows of a whole and undamaged file, in order, and counted. */
async function readRows(files: FileSystem, path: string, take: Takers): Promise<SnapshotHead & { bytes: number }> {
  const reader = await FrameFileReader.open(files, path, SNAPSHOT_KIND);
  try {
    const head = await readHead(reader);
    const ids = new Set<string>();
    let nodes = 0;
    let events = 0;
    take.head?.(head);
    for (let frames = 1; ; frames++) {
      const { offset } = reader;
      const payload = await reader.next();
      if (!payload) throw reader.damage('it ends too early');
      if (payload[0] === END) {
        if (decode(payload.subarray(1)) !== frames) throw reader.damage(`its end counts other frames than the ${frames} before it`, offset);
        break;
      }
      try {
        if (payload[0] === NODES) nodes += readNodeRows(payload.subarray(1), take.node ?? ignore);
        else if (payload[0] === SESSIONS) {
          for (const row of decode(payload.subarray(1)) as SessionRow[]) {
            ids.add(row[0]);
            take.session?.(row);
          }
        } else if (payload[0] === EVENTS) {
          for (const event of decode(payload.subarray(1)) as NuwaEvent[]) {
            events++;
            take.event?.(event);
          }
        } else throw new Error(`a frame of unknown kind ${payload[0]}`);
      } catch (error) {
        throw reader.damage(`its rows do not fit together (${(error as Error).message})`, offset);
      }
    }
    if (reader.offset !== reader.fileBytes) throw reader.damage('something follows its end');
    const found = `${ids.size} sessions, ${nodes} nodes, ${events} events`;
    const said = `${head.sessions} sessions, ${head.nodes} nodes, ${head.events} events`;
    if (found !== said) throw reader.damage(`its head says ${said}, and it has ${found}, up to its end`);
    return { ...head, bytes: reader.fileBytes };
  } finally {
    await reader.close();
  }
}

async function readHead(reader: FrameFileReader): Promise<SnapshotHead> {
  const { offset } = reader;
  const payload = await reader.next();
  if (payload?.[0] !== HEAD) throw reader.damage('it does not begin as a snapshot does', offset);
  return decode(payload.subarray(1)) as SnapshotHead;
}

const ignore = (): void => {};

function frame(kind: number, body: Uint8Array): Uint8Array {
  const payload = Buffer.allocUnsafe(1 + body.length);
  payload[0] = kind;
  payload.set(body, 1);
  return payload;
}

function sessionBytes([, , , , replies]: SessionRow): number {
  let bytes = 100;
  for (const [, reply] of replies) bytes += 100 + (reply.kind === 'done' ? (reply.results?.length ?? 0) * 200 : reply.reason.length);
  return bytes;
}

function eventBytes({ path, value }: NuwaEvent): number {
  return path.length + (value?.length ?? 0) + 50;
}

function* portions<Row>(rows: Iterable<Row>, bytesOf: (row: Row) => number): Generator<Row[]> {
  let portion: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    portion.push(row);
    bytes += bytesOf(row);
    if (bytes < FRAME_BYTES) continue;
    yield portion;
    portion = [];
    bytes = 0;
  }
  if (portion.length > 0) yield portion;
}
