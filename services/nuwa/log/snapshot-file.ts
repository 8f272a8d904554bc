import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NuwaEvent } from '../contract.ts';
import type { NodeRow, SessionRow, Snapshot } from '../core/tree/snapshot.ts';
import { decode, encode } from './codec.ts';
import { LogDamage } from './damage.ts';
import { snapshotName, writeAll, writeAside } from './files.ts';
import { FILE_HEADER_BYTES, fileHeader, frameHeader, saltOf, scanFrames } from './frame.ts';

/** The state, and beside it the latest events: so that watchers can resume across a restart that follows a snapshot. */
export interface StoredSnapshot {
  snapshot: Snapshot;
  events: NuwaEvent[];
}

const SNAPSHOT_KIND = 'NUWASNP1';
const SALT_BYTES = 8;
/** About this much goes into one frame. The event loop is free between frames. */
const ROWS_BYTES = 1024 * 1024;

type SnapshotFrame =
  | ['head', { index: number; revision: number; nodes: number; sessions: number; events: number }]
  | ['nodes', NodeRow[]]
  | ['sessions', SessionRow[]]
  | ['events', NuwaEvent[]];

const nodeBytes = ([path, value]: NodeRow): number => path.length + value.length + 100;
const sessionBytes = ([, , , , replies]: SessionRow): number => 100 + replies.length * 100;
const eventBytes = ({ path, value }: NuwaEvent): number => path.length + (value?.length ?? 0) + 50;

/** About what `writeSnapshot` will write. */
export function snapshotBytes({ snapshot, events }: StoredSnapshot): number {
  let bytes = 0;
  for (const row of snapshot.nodes) bytes += nodeBytes(row);
  for (const row of snapshot.sessions) bytes += sessionBytes(row);
  for (const event of events) bytes += eventBytes(event);
  return bytes;
}

export async function writeSnapshot(dir: string, { snapshot, events }: StoredSnapshot): Promise<void> {
  const { index, revision, nodes, sessions } = snapshot;
  const salt = randomBytes(SALT_BYTES);
  await writeAside(dir, snapshotName(index), async (file) => {
    let position = await writeAll(file, [fileHeader(SNAPSHOT_KIND, salt)], 0);
    const writeFrame = async (frame: SnapshotFrame): Promise<void> => {
      const payload = encode(frame);
      position = await writeAll(file, [frameHeader(payload, salt), payload], position);
    };
    await writeFrame(['head', { index, revision, nodes: nodes.length, sessions: sessions.length, events: events.length }]);
    for (const rows of portions(nodes, nodeBytes)) await writeFrame(['nodes', rows]);
    for (const rows of portions(sessions, sessionBytes)) await writeFrame(['sessions', rows]);
    for (const rows of portions(events, eventBytes)) await writeFrame(['events', rows]);
  });
}

export async function readSnapshot(dir: string, index: number): Promise<StoredSnapshot> {
  const path = join(dir, snapshotName(index));
  const file = await readFile(path);
  const salt = saltOf(file, SNAPSHOT_KIND);
  if (!salt) throw new LogDamage(path, 'its header is damaged');
  const { payloads, endOffset, after } = scanFrames(file, salt, FILE_HEADER_BYTES);
  if (after !== 'nothing') throw new LogDamage(path, `it is damaged at byte ${endOffset}`);
  const [head, ...frames] = payloads.map((payload) => decode(payload) as SnapshotFrame);
  if (head?.[0] !== 'head' || head[1].index !== index) throw new LogDamage(path, 'it is not the snapshot that its name says');
  const nodes: NodeRow[] = [];
  const sessions: SessionRow[] = [];
  const events: NuwaEvent[] = [];
  for (const [kind, rows] of frames) {
    if (kind === 'nodes') for (const row of rows) nodes.push(row);
    if (kind === 'sessions') for (const row of rows) sessions.push(row);
    if (kind === 'events') for (const row of rows) events.push(row);
  }
  const { revision, ...counts } = head[1];
  if (nodes.length !== counts.nodes || sessions.length !== counts.sessions || events.length !== counts.events) {
    throw new LogDamage(path, 'rows are missing');
  }
  return { snapshot: { index, revision, nodes, sessions }, events };
}

function* portions<Row>(rows: readonly Row[], bytesOf: (row: Row) => number): Generator<Row[]> {
  let portion: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    portion.push(row);
    bytes += bytesOf(row);
    if (bytes < ROWS_BYTES) continue;
    yield portion;
    portion = [];
    bytes = 0;
  }
  if (portion.length > 0) yield portion;
}
