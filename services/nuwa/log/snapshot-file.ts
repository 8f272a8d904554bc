import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { NuwaEvent } from '../contract.ts';
import type { GroupConfig, SnapshotMark } from '../core/raft/types.ts';
import { type NodeRow, nodeRows, type SessionRow, SnapshotRestorer, sessionRows } from '../core/tree/snapshot.ts';
import { decode, encode } from './codec.ts';
import { LogDamage } from './damage.ts';
import { writeAll, writeAside } from './files.ts';
import { FILE_HEADER_BYTES, FRAME_HEADER_BYTES, fileHeader, frameHeader, payloadAt, payloadBytesAt, saltOf } from './frame.ts';
import type { LoadedSnapshot } from './port.ts';

/**
 * A snapshot file: a head, sessions, nodes, the newest events before it (so that watchers resume across it), an end that counts them. Written
 * and read frame by frame, so that neither side holds the rows of all nodes.
 */
const SNAPSHOT_KIND = 'NUWASNP2';
const SALT_BYTES = 8;
/** About this much goes into one frame. The event loop is free between frames. */
const FRAME_BYTES = 256 * 1024;

interface Head {
  mark: { index: number; term: number; config: GroupConfig };
  revision: number;
}
type Frame =
  | ['head', Head]
  | ['sessions', SessionRow[]]
  | ['nodes', NodeRow[]]
  | ['events', NuwaEvent[]]
  | ['end', { sessions: number; nodes: number; events: number }];

const nodeBytes = ([path, value]: NodeRow): number => path.length + value.length + 100;
const sessionBytes = ([, , , , replies]: SessionRow): number => 100 + replies.length * 100;
const eventBytes = ({ path, value }: NuwaEvent): number => path.length + (value?.length ?? 0) + 50;

export async function writeSnapshot(dir: string, name: string, { mark, state, events }: LoadedSnapshot): Promise<void> {
  const salt = randomBytes(SALT_BYTES);
  const counts = { sessions: 0, nodes: 0, events: 0 };
  await writeAside(dir, name, async (file) => {
    let position = await writeAll(file, fileHeader(SNAPSHOT_KIND, salt), 0);
    const write = async (frame: Frame): Promise<void> => {
      const payload = encode(frame);
      position = await writeAll(file, Buffer.concat([frameHeader(payload, salt), payload]), position);
    };
    const writeRows = async <Row>(kind: keyof typeof counts, rows: Iterable<Row>, bytesOf: (row: Row) => number): Promise<void> => {
      for (const portion of portions(rows, bytesOf)) {
        counts[kind] += portion.length;
        await write([kind, portion] as unknown as Frame);
      }
    };
    await write(['head', { mark, revision: state.revision }]);
    await writeRows('sessions', sessionRows(state), sessionBytes);
    await writeRows('nodes', nodeRows(state), nodeBytes);
    await writeRows('events', events, eventBytes);
    await write(['end', counts]);
  });
}

export async function loadSnapshot(path: string): Promise<LoadedSnapshot> {
  let head: Head | undefined;
  let restorer: SnapshotRestorer | undefined;
  const events: NuwaEvent[] = [];
  await readFrames(path, (frame) => {
    if (frame[0] === 'head') {
      head = frame[1];
      restorer = new SnapshotRestorer({ index: head.mark.index, revision: head.revision });
    } else if (frame[0] === 'sessions') for (const row of frame[1]) restorer!.addSession(row);
    else if (frame[0] === 'nodes') for (const row of frame[1]) restorer!.addNode(row);
    else if (frame[0] === 'events') for (const event of frame[1]) events.push(event);
  });
  return { mark: head!.mark, state: restorer!.finish(), events };
}

/** What a snapshot stands for; reads its beginning only. */
export async function snapshotMark(path: string): Promise<SnapshotMark> {
  const reader = await FrameReader.open(path);
  try {
    const frame = await reader.next();
    if (frame?.[0] !== 'head') throw new LogDamage(path, 'it does not begin as a snapshot does');
    return frame[1].mark;
  } finally {
    await reader.close();
  }
}

/** Reads all of it. Throws LogDamage at the first thing that is wrong. */
export async function checkSnapshot(path: string): Promise<{ mark: SnapshotMark; nodes: number; sessions: number; revision: number }> {
  let head: Head | undefined;
  let end = { sessions: 0, nodes: 0, events: 0 };
  await readFrames(path, (frame) => {
    if (frame[0] === 'head') head = frame[1];
    if (frame[0] === 'end') end = frame[1];
  });
  return { mark: head!.mark, nodes: end.nodes, sessions: end.sessions, revision: head!.revision };
}

/** A copy under another group's configuration: how a backup becomes the beginning of a new group. */
export async function rewriteSnapshot(from: string, dir: string, name: string, config: GroupConfig): Promise<SnapshotMark> {
  const loaded = await loadSnapshot(from);
  const mark = { ...loaded.mark, config };
  await writeSnapshot(dir, name, { ...loaded, mark });
  return mark;
}

/** Every frame of a whole and undamaged file, in order, its counts checked. */
async function readFrames(path: string, take: (frame: Frame) => void): Promise<void> {
  const reader = await FrameReader.open(path);
  const counts = { sessions: 0, nodes: 0, events: 0 };
  try {
    for (let first = true; ; first = false) {
      const frame = await reader.next();
      if (!frame) throw new LogDamage(path, 'it breaks off');
      if (first !== (frame[0] === 'head')) throw new LogDamage(path, 'its head is not where it should be');
      if (frame[0] === 'end') {
        const { sessions, nodes, events } = frame[1];
        if (sessions !== counts.sessions || nodes !== counts.nodes || events !== counts.events)
          throw new LogDamage(path, 'rows are missing');
        if (!reader.atEnd) throw new LogDamage(path, 'something follows its end');
        take(frame);
        return;
      }
      if (frame[0] !== 'head') counts[frame[0]] += frame[1].length;
      try {
        take(frame);
      } catch (error) {
        throw new LogDamage(path, `its rows do not fit together: ${(error as Error).message}`);
      }
    }
  } finally {
    await reader.close();
  }
}

class FrameReader {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #salt: Buffer;
  #offset = FILE_HEADER_BYTES;

  static async open(path: string): Promise<FrameReader> {
    const file = await open(path, 'r');
    try {
      const header = Buffer.alloc(FILE_HEADER_BYTES);
      await file.read(header, 0, FILE_HEADER_BYTES, 0);
      const salt = saltOf(header, SNAPSHOT_KIND);
      if (!salt) throw new LogDamage(path, 'its header is damaged');
      return new FrameReader(path, file, (await file.stat()).size, salt);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  constructor(path: string, file: FileHandle, bytes: number, salt: Buffer) {
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
    this.#salt = salt;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes;
  }

  async next(): Promise<Frame | undefined> {
    if (this.atEnd) return undefined;
    const head = Buffer.alloc(FRAME_HEADER_BYTES);
    await this.#file.read(head, 0, FRAME_HEADER_BYTES, this.#offset);
    const payloadBytes = payloadBytesAt(head, 0);
    if (payloadBytes === undefined || this.#offset + FRAME_HEADER_BYTES + payloadBytes > this.#bytes) this.#damaged();
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
    await this.#file.read(frame, 0, frame.length, this.#offset);
    const payload = payloadAt(frame, 0, this.#salt) ?? this.#damaged();
    this.#offset += frame.length;
    return decode(payload) as Frame;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #damaged(): never {
    throw new LogDamage(this.#path, `it is damaged at byte ${this.#offset}`);
  }
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
