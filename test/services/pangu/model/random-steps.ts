import type { PanguFile } from '../../../../services/pangu/contract.ts';
import { forget, settle, within } from './append-steps.ts';
import type { Area } from './area.ts';
import { patternOf, RandomContents, WrongAnswer } from './contents.ts';
import { tellAnswer } from './possible.ts';
import type { TreeOp } from './tree.ts';

/** Sessions of a file that is written anywhere, as fsx does it: several writes at once that may overlap, cuts, growth, reads, by its writer and by others. */
const KIB = 1024;
const CHUNK_BYTES = 64 * KIB;
const SIZE_MAX = 5 * CHUNK_BYTES;

export async function makeRandomFile(area: Area): Promise<void> {
  const path = area.somePath();
  const mode = area.pick(['w', 'wx'] as const);
  const id = area.newId();
  const contents = new RandomContents();
  area.randoms.set(id, contents);
  const op: TreeOp = { what: 'create', path, id, replace: mode === 'w' };
  const { answer, value: file } = await area.attempt(`open ${mode} random`, () =>
    area.client().open(area.at(path), mode, { kind: 'random', chunkBytes: CHUNK_BYTES }),
  );
  area.tell(`open ${mode} ${path} as random ${id}: ${tellAnswer(answer)}`);
  if (mode === 'wx' || typeof answer === 'object') area.possible.answered(op, answer);
  if (answer === 'unknown' && mode === 'wx') await forget(area, path);
  if (!file) return;
  const well = await change(area, path, file, contents, mode === 'wx');
  const closed = well ? await close(area, path, file, contents) : 'unknown';
  if (mode === 'w' && well) area.possible.answered(op, closed);
  if (closed === 'done') return;
  await area.surely('abort', () => file.abort().catch(isGone));
  await area.attempt('close', () => file.close());
  if (mode === 'wx') area.possible.answered({ what: 'remove', path, as: 'file', force: true }, 'unknown');
  await settle(area, path, id, contents, 'its writer failed');
}

export async function changeRandomFile(area: Area): Promise<void> {
  const { possible } = area;
  const candidates = possible.isCertain ? area.files().filter((path) => area.randoms.has(possible.tree.get(path)!.id)) : [];
  if (candidates.length === 0) return;
  const path = area.pick(candidates);
  const { id } = possible.tree.get(path)!;
  const contents = area.randoms.get(id)!;
  const { answer, value: file } = await area.attempt('open r+', () => area.client().open(area.at(path), 'r+'));
  area.tell(`open r+ ${path} (${id}): ${tellAnswer(answer)}`);
  if (typeof answer === 'object')
    throw new WrongAnswer(`${path} is there and closed, and opening it with r+ is refused with ${answer.code}`);
  if (!file) return forget(area, path);
  const well = await change(area, path, file, contents, true);
  if (well && (await close(area, path, file, contents)) === 'done') return;
  await area.attempt('close', () => file.close());
  await settle(area, path, id, contents, 'its writer failed');
}

async function change(area: Area, path: string, file: PanguFile, contents: RandomContents, visible: boolean): Promise<boolean> {
  const steps = 1 + area.random.int(7);
  for (let i = 0; i < steps; i++) {
    const dice = area.random.next();
    if (dice < 0.5) {
      if (!(await writeSome(area, path, file, contents))) return false;
    } else if (dice < 0.65) {
      const length = area.random.int(SIZE_MAX);
      const { answer } = await area.attempt('truncate', () => file.truncate(length));
      area.tell(`truncate ${path} to ${length}: ${tellAnswer(answer)}`);
      if (answer !== 'done') {
        contents.maybeTruncate(length);
        return false;
      }
      contents.truncate(length);
    } else {
      const [position, length] = [area.random.int(SIZE_MAX), area.random.int(2 * CHUNK_BYTES)];
      const { value } = await area.attempt('read by its writer', () => file.read(position, length));
      if (value) within(area, path, undefined, () => contents.check(value, position, length));
      if (!visible || !area.chance(0.5)) continue;
      const { answer } = await area.attempt('flush', () => file.flush());
      if (answer !== 'done') return false;
      const { value: seen } = await area.attempt('read of what is written', async () =>
        (await area.client().open(area.at(path), 'r', { patienceMs: 3_000 })).read(position, length),
      );
      if (seen) within(area, path, undefined, () => contents.check(seen, position, length));
    }
  }
  return true;
}

async function writeSome(area: Area, path: string, file: PanguFile, contents: RandomContents): Promise<boolean> {
  const writes = Array.from({ length: 1 + area.random.int(3) }, () => {
    const bytes = patternOf(area.random.int(2 ** 30), 0, 1 + area.random.int(area.chance(0.7) ? 9_000 : 90 * KIB));
    return { position: area.random.int(SIZE_MAX - bytes.length), bytes };
  });
  const all = await Promise.all(writes.map(({ position, bytes }) => area.attempt('pwrite', () => file.pwrite(position, bytes))));
  writes.forEach(({ position, bytes }, i) => {
    area.tell(`pwrite ${path} ${bytes.length} bytes at ${position}: ${tellAnswer(all[i]!.answer)}`);
    if (all[i]!.answer === 'done') contents.write(position, bytes);
    else contents.maybeWrite(position, bytes);
  });
  return all.every(({ answer }) => answer === 'done');
}

async function close(area: Area, path: string, file: PanguFile, contents: RandomContents) {
  const { answer, value } = await area.attempt('close', () => file.close());
  area.tell(`close ${path}: ${tellAnswer(answer)}${value ? `, ${value.size} bytes` : ''}`);
  if (value && value.size !== contents.bytes.length)
    throw new WrongAnswer(`${path} is closed with ${value.size} bytes, and should have ${contents.bytes.length}`);
  return answer;
}

function isGone(error: { code?: string }): void {
  if (error.code !== 'ESTALE' && error.code !== 'ENOENT' && error.code !== 'EBADF') throw error;
}
