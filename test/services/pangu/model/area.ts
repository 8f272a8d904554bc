import { setTimeout as delay } from 'node:timers/promises';
import { FeitianError, messageOf } from '../../../../services/base/errors.ts';
import type { Random } from '../../../../services/base/random.ts';
import type { FileStat, PanguClient } from '../../../../services/pangu/contract.ts';
import { PANGU_CODES } from '../../../../services/pangu/contract.ts';
import { type GrowingContents, type RandomContents, WrongAnswer } from './contents.ts';
import { type Answer, Possible, tell, tellAnswer } from './possible.ts';
import { nameOf, parentOf, type Tree, type TreeOp } from './tree.ts';

/** Refusals that leave open whether something was done: answers were lost, servers were away or had no room. */
const UNKNOWN: readonly string[] = [
  'EIO',
  'ENOSPC',
  'ESTALE',
  'Unavailable',
  'DeadlineExceeded',
  'Cancelled',
  'Overloaded',
  'ConnectionLost',
];
const CLOSED_WITHIN_MS = 90_000;
const LOOK_MS = 200;
const HISTORY = 40;
const NAMES = ['a', 'b', 'c', 'd'];

export interface Attempted<T> {
  answer: Answer;
  value?: T;
}

/** A client whose session can be ended alone, as when its process dies. */
export interface LoneClient {
  pangu: PanguClient;
  leave(): Promise<void>;
}

export interface World {
  clients: readonly PanguClient[];
  loneClient(): Promise<LoneClient>;
  /** The time for new steps is over. */
  isOver(): boolean;
  counts: Map<string, { done: number; refused: number; unknown: number }>;
}

/**
 * A directory in which one operation follows the other, each by any client; what runs at the same time runs in other areas. So its model is exact, and whatever
 * clients, masters and servers keep of each other is still used by all.
 */
export class Area {
  readonly root: string;
  readonly random: Random;
  readonly world: World;
  readonly possible = new Possible();
  readonly growing = new Map<number, GrowingContents>();
  readonly randoms = new Map<number, RandomContents>();
  readonly trash: { place: string; entries: Tree }[] = [];
  readonly history: string[] = [];
  #ids = 0;

  constructor(world: World, root: string, random: Random) {
    this.world = world;
    this.root = root;
    this.random = random;
  }

  newId(): number {
    return ++this.#ids;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.int(list.length)]!;
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  client(): PanguClient {
    return this.pick(this.world.clients);
  }

  at(path: string): string {
    return this.root + path;
  }

  tell(line: string): void {
    this.history.push(`${new Date().toISOString().slice(14, 23)} ${line}`);
  }

  /** The last lines that name a file's path, or all when it is none. */
  lastLines(): string {
    return this.history.slice(-HISTORY).join('\n');
  }

  files(tree = this.possible.tree): string[] {
    return [...tree].flatMap(([path, { type }]) => (type === 'file' ? [path] : []));
  }

  directories(tree = this.possible.tree): string[] {
    return [...tree].flatMap(([path, { type }]) => (type === 'directory' ? [path] : []));
  }

  /** Mostly a place where something may be made, or is; now and then one that makes no sense. */
  somePath(): string {
    const within = this.chance(0.1) ? this.pick([...this.possible.tree.keys()]) : this.pick(this.directories());
    const path = `${within}/${this.pick(NAMES)}`;
    return path.length > 12 ? `/${this.pick(NAMES)}` : path;
  }

  async attempt<T>(what: string, work: () => Promise<T>): Promise<Attempted<T>> {
    const counts = this.world.counts.get(what) ?? { done: 0, refused: 0, unknown: 0 };
    this.world.counts.set(what, counts);
    try {
      const value = await work();
      counts.done++;
      return { answer: 'done', value };
    } catch (error) {
      const code = error instanceof FeitianError ? error.code : undefined;
      if (code !== undefined && UNKNOWN.includes(code)) {
        counts.unknown++;
        this.tell(`${what}: ${messageOf(error)}`);
        return { answer: 'unknown' };
      }
      if (code === undefined || !(PANGU_CODES as readonly string[]).includes(code)) {
        if (error instanceof WrongAnswer) throw error;
        throw new WrongAnswer(`${what} fails with what is no refusal: ${messageOf(error)}`, { cause: error });
      }
      counts.refused++;
      return { answer: { code } };
    }
  }

  /** One that changes names alone. */
  async change(op: TreeOp, work: () => Promise<unknown>): Promise<Answer> {
    const { answer } = await this.attempt(op.what, work);
    this.tell(`${tell(op)}: ${tellAnswer(answer)}`);
    this.possible.answered(op, answer);
    return answer;
  }

  /** Until it is closed, by whomever; undefined when it is not there. */
  async closed(path: string, what: string): Promise<FileStat | undefined> {
    const giveUpAtMs = performance.now() + CLOSED_WITHIN_MS;
    for (;;) {
      const { answer, value } = await this.attempt('stat', () => this.client().stat(this.at(path)));
      if (value?.state === 'closed') return value;
      if (typeof answer === 'object') return undefined;
      if (performance.now() > giveUpAtMs)
        throw new WrongAnswer(`${path}: ${what}, and ${CLOSED_WITHIN_MS} ms later it is ${value?.state ?? 'not to be seen'}`);
      await delay(LOOK_MS);
    }
  }

  /** Again and again, while servers are away. */
  async surely<T>(what: string, work: () => Promise<T>): Promise<Attempted<T>> {
    const giveUpAtMs = performance.now() + CLOSED_WITHIN_MS;
    for (;;) {
      const attempted = await this.attempt(what, work);
      if (attempted.answer !== 'unknown') return attempted;
      if (performance.now() > giveUpAtMs) throw new WrongAnswer(`${what} has had no answer for ${CLOSED_WITHIN_MS} ms`);
      await delay(LOOK_MS);
    }
  }

  /** How long a file may be. */
  lengthsOf(id: number): { least: number; most: number } {
    const growing = this.growing.get(id);
    if (growing) return { least: growing.acknowledged, most: growing.accepted };
    const random = this.randoms.get(id);
    if (!random) throw new Error(`no file has id ${id}`);
    return random.isKnown ? { least: random.bytes.length, most: random.bytes.length } : { least: 0, most: Number.MAX_SAFE_INTEGER };
  }

  /** What a directory lists is what one of the possible trees has there. */
  sees(path: string, found: readonly FileStat[]): void {
    this.possible.seen(`${path}/ with ${found.map((stat) => `${nameOf(stat.path)}(${stat.size})`).join(' ') || 'nothing'}`, (tree) => {
      const wanted = new Map(
        [...tree].filter(([each]) => each !== '' && parentOf(each) === path).map(([each, entry]) => [nameOf(each), entry]),
      );
      return (
        wanted.size === found.length &&
        found.every((stat) => {
          const entry = wanted.get(nameOf(stat.path));
          if (!entry || entry.type !== stat.type) return false;
          if (entry.type === 'directory') return true;
          const { least, most } = this.lengthsOf(entry.id);
          return stat.size >= least && stat.size <= most;
        })
      );
    });
  }

  async look(path: string): Promise<boolean> {
    const { value } = await this.attempt('readdir', async () => {
      const entries: FileStat[] = [];
      for await (const entry of this.client().readdir(this.at(path))) entries.push(entry);
      return entries;
    });
    if (value) this.sees(path, value);
    return value !== undefined;
  }
}
