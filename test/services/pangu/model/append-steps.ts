import type { PanguClient, PanguFile } from '../../../../services/pangu/contract.ts';
import type { Area } from './area.ts';
import { GrowingContents, RandomContents, WrongAnswer } from './contents.ts';
import { type Answer, tellAnswer } from './possible.ts';
import type { TreeOp } from './tree.ts';

/** Sessions of a file that grows at its end: opened, written, looked at meanwhile, and ended in one of four ways. */
const KIB = 1024;
const CHUNK_BYTES = 128 * KIB;
const PIECE_BYTES_MAX = 150 * KIB;

type Ending = 'close' | 'abort' | 'vanish';

export async function writeFile(area: Area): Promise<void> {
  const path = area.somePath();
  const mode = area.pick(['w', 'wx'] as const);
  const id = area.newId();
  const contents = new GrowingContents(id * 7919 + area.root.length);
  area.growing.set(id, contents);
  const ending: Ending = area.chance(0.75) ? 'close' : area.chance(0.6) ? 'abort' : 'vanish';
  const op: TreeOp = { what: 'create', path, id, replace: mode === 'w' };
  const replicas = area.chance(0.2) ? 2 : 3;
  await withClient(area, ending, async (client) => {
    const opened = await area.attempt(`open ${mode}`, () => client.open(area.at(path), mode, { chunkBytes: CHUNK_BYTES, replicas }));
    area.tell(`open ${mode} ${path} as ${id}: ${tellAnswer(opened.answer)}`);
    if (mode === 'wx') area.possible.answered(op, opened.answer);
    // Of mode w the quota speaks at the end; all else is known now.
    else if (typeof opened.answer === 'object') area.possible.answered(op, opened.answer);
    if (opened.answer === 'unknown' && mode === 'wx') await forget(area, path);
    if (!opened.value) return;
    const file = opened.value;
    const well = await write(area, path, file, contents, mode !== 'w');
    if (ending === 'vanish') return;
    const answer = well && ending === 'close' ? await close(area, path, file, contents) : await abort(area, path, file);
    if (well && ending === 'close') {
      if (mode === 'w') area.possible.answered(op, answer);
      if (answer === 'done') return;
      await abort(area, path, file);
    }
    // It was given up: that is done, unless it was closed before, which may be.
    if (mode === 'wx')
      area.possible.answered(
        { what: 'remove', path, as: 'file', force: true },
        ending === 'abort' && well && answer === 'done' ? 'done' : 'unknown',
      );
    await settle(area, path, id, contents);
  });
  if (ending === 'vanish') await settle(area, path, id, contents, 'its writer vanished');
}

export async function appendToFile(area: Area): Promise<void> {
  const { possible } = area;
  if (!possible.isCertain || area.files().length === 0) return;
  const path = area.pick(area.files());
  const { id } = possible.tree.get(path)!;
  const contents = area.growing.get(id);
  const ending: Ending = area.chance(0.7) ? 'close' : area.chance(0.5) ? 'abort' : 'vanish';
  await withClient(area, ending, async (client) => {
    const opened = await area.attempt('open a', () => client.open(area.at(path), 'a'));
    area.tell(`open a ${path} (${id}): ${tellAnswer(opened.answer)}`);
    if (!contents) {
      if (opened.answer === 'done' || (typeof opened.answer === 'object' && opened.answer.code !== 'EBADF'))
        throw new WrongAnswer(`${path} is a random file, and opening it with a is ${tellAnswer(opened.answer)}`);
      return;
    }
    if (typeof opened.answer === 'object')
      throw new WrongAnswer(`${path} is there and closed, and opening it with a is refused with ${opened.answer.code}`);
    // Whoever's session it is holds it, when the answer was lost, for as long as it lives: the file cannot be used any more.
    if (!opened.value) return forget(area, path);
    const file = opened.value;
    const well = await write(area, path, file, contents, true);
    if (ending === 'vanish') return;
    const answer = well && ending === 'close' ? await close(area, path, file, contents) : await abort(area, path, file);
    if (well && ending === 'close' && answer === 'done') return;
    if (answer !== 'done') await abort(area, path, file);
    await settle(area, path, id, contents);
  });
  if (contents && ending === 'vanish') await settle(area, path, id, contents, 'its writer vanished');
}

export async function readFile(area: Area): Promise<void> {
  const { possible } = area;
  if (!possible.isCertain || area.files().length === 0) return;
  const path = area.pick(area.files());
  const { id } = possible.tree.get(path)!;
  const contents = area.growing.get(id) ?? area.randoms.get(id)!;
  const { value: file } = await area.attempt('open r', () => area.client().open(area.at(path), 'r'));
  if (!file) return;
  for (let i = 0; i < 3; i++) {
    const { most } = area.lengthsOf(id);
    const position = area.random.int(Math.min(most, 2 ** 30) + 10);
    const length = area.chance(0.3) ? 2 ** 30 : area.random.int(100 * KIB);
    const { value } = await area.attempt('read', () => file.read(position, length));
    if (value) within(area, path, id, () => contents.check(value, position, length));
  }
}

export async function setReplicas(area: Area): Promise<void> {
  const { possible } = area;
  if (!possible.isCertain || area.files().length === 0) return;
  const path = area.pick(area.files());
  await area.attempt('setReplicas', () => area.client().setReplicas(area.at(path), 2 + area.random.int(2)));
}

async function withClient(area: Area, ending: Ending, work: (client: PanguClient) => Promise<void>): Promise<void> {
  if (ending !== 'vanish') return work(area.client());
  const lone = await area.world.loneClient();
  try {
    await work(lone.pangu);
  } finally {
    await lone.leave();
  }
}

/** @returns whether all of it went well. */
async function write(area: Area, path: string, file: PanguFile, contents: GrowingContents, visible: boolean): Promise<boolean> {
  const pieces = area.random.int(5);
  for (let i = 0; i < pieces; i++) {
    const bytes = contents.next(1 + area.random.int(area.chance(0.5) ? 5_000 : PIECE_BYTES_MAX));
    const written = await area.attempt('write', () => file.write(bytes));
    area.tell(`write ${path} to ${contents.accepted}: ${tellAnswer(written.answer)}`);
    if (written.answer !== 'done') return false;
    if (area.chance(0.5)) continue;
    const what = area.pick(['flush', 'sync'] as const);
    const to = contents.accepted;
    const [{ answer }] = await Promise.all([area.attempt(what, () => file[what]()), visible ? look(area, path, contents) : undefined]);
    area.tell(`${what} ${path} at ${to}: ${tellAnswer(answer)}`);
    if (answer !== 'done') return false;
    contents.acknowledged = to;
    if (visible) await look(area, path, contents);
  }
  return true;
}

/** As another client sees it that opens it now. What it saw stays. */
async function look(area: Area, path: string, contents: GrowingContents): Promise<void> {
  const atLeast = contents.acknowledged;
  const position = area.random.int(atLeast + 1);
  const { value } = await area.attempt('read of what is written', async () => {
    const reader = await area.client().open(area.at(path), 'r', { patienceMs: 3_000 });
    return reader.read(position, 2 ** 30);
  });
  if (!value) return;
  within(area, path, undefined, () => contents.check(value, position, 2 ** 30, atLeast));
  contents.acknowledged = Math.max(contents.acknowledged, position + value.length);
}

async function close(area: Area, path: string, file: PanguFile, contents: GrowingContents): Promise<Answer> {
  const { answer, value } = await area.attempt('close', () => file.close());
  area.tell(`close ${path}: ${tellAnswer(answer)}${value ? `, ${value.size} bytes` : ''}`);
  if (value && value.size !== contents.accepted)
    throw new WrongAnswer(`${path} is closed with ${value.size} bytes, ${contents.accepted} were written`);
  if (value) contents.settle(value.size);
  return answer;
}

async function abort(area: Area, path: string, file: PanguFile): Promise<Answer> {
  const { answer } = await area.surely('abort', () => file.abort().catch(staleIsGone));
  area.tell(`abort ${path}: ${tellAnswer(answer)}`);
  return answer;
}

/** It is not this writer's any more: nothing is left to give up. */
function staleIsGone(error: { code?: string }): void {
  if (error.code !== 'ESTALE' && error.code !== 'ENOENT') throw error;
}

/** A file that nobody can say anything of. */
export async function forget(area: Area, path: string): Promise<void> {
  const { answer } = await area.surely('rm', () => area.client().rm(area.at(path), { force: true, skipTrash: true }));
  area.tell(`rm ${path}, as it is nobody's: ${tellAnswer(answer)}`);
  area.possible.answered({ what: 'remove', path, as: 'one', force: true }, answer);
}

/** Waits until it is closed or gone; from then on it is known again. */
export async function settle(
  area: Area,
  path: string,
  id: number,
  contents: GrowingContents | RandomContents,
  why = 'it was given up',
): Promise<void> {
  const stat = await area.closed(path, why);
  area.tell(`${path} is ${stat ? `closed, ${stat.size} bytes` : 'gone'}, since ${why}`);
  const fits = (entry: { id: number } | undefined): boolean => {
    if (!stat || !entry) return !stat && !entry;
    if (entry.id !== id) return true;
    const { least, most } = area.lengthsOf(id);
    return contents instanceof RandomContents || stat.type === 'directory' || (stat.size >= least && stat.size <= most);
  };
  area.possible.seen(`${path}, which is ${stat ? `${stat.size} bytes long` : 'not there'}`, (tree) => fits(tree.get(path)));
  if (!stat || stat.type === 'directory') return;
  const { value } = await area.surely('read', () => area.client().readFile(area.at(path)));
  if (!value) return;
  // Which file stands here, when that is in doubt, is told by its bytes.
  area.possible.seen(`${path} with its ${value.length} bytes`, (tree) => {
    const entry = tree.get(path);
    return entry?.type === 'file' && (area.possible.isCertain || holds(area, entry.id, value));
  });
  if (!area.possible.isCertain) return forget(area, path);
  if (area.possible.tree.get(path)!.id !== id) return;
  within(area, path, id, () => {
    contents.check(value, 0, Number.MAX_SAFE_INTEGER);
    if (contents instanceof GrowingContents) contents.settle(value.length);
    else contents.settle(value);
  });
}

function holds(area: Area, id: number, bytes: Buffer): boolean {
  try {
    (area.growing.get(id) ?? area.randoms.get(id)!).check(bytes, 0, Number.MAX_SAFE_INTEGER);
    return true;
  } catch {
    return false;
  }
}

export function within(area: Area, path: string, id: number | undefined, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error;
    throw new WrongAnswer(`${area.root}${path}${id === undefined ? '' : ` (${id})`}: ${error.message}`);
  }
}
