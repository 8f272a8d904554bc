import type { PanguClient, PanguLog } from '../../../../services/pangu/contract.ts';
import { isLinearizable, type Model, type Operation } from '../../../helpers/linearizability.ts';
import type { Area } from './area.ts';
import { LogContents, WrongAnswer } from './contents.ts';
import type { Answer } from './possible.ts';
import { nameOf } from './tree.ts';

/** What many write at the same time: logs, and names that all want. */
export class SharedLog {
  readonly path: string;
  readonly contents: LogContents;
  readonly #writers = new Map<number, PanguLog>();

  constructor(path: string, seed: number) {
    this.path = path;
    this.contents = new LogContents(seed);
  }

  /** `writer`: one for each that appends, so that its order can be looked at. */
  async append(area: Area, writer: number): Promise<void> {
    let log = this.#writers.get(writer);
    if (!log) {
      log = (await area.attempt('openLog', () => area.client().openLog(this.path, { chunkBytes: 64 * 1024 }))).value;
      if (!log) return;
      this.#writers.set(writer, log);
    }
    const there = log;
    const appends = Array.from({ length: 1 + area.random.int(15) }, async () => {
      const { id, bytes } = this.contents.next(writer, area.random);
      const { value } = await area.attempt('append', () => there.append(bytes));
      if (value) this.contents.acknowledged(id, value.offset);
    });
    await Promise.all(appends);
  }

  async read(area: Area): Promise<void> {
    const { count } = this.contents;
    const { answer, value } = await area.attempt('read of a log', () => area.client().readFile(this.path));
    if (typeof answer === 'object' && count > 0) throw new WrongAnswer(`${this.path} is refused with ${answer.code}`);
    if (value) this.check(value, count);
  }

  check(whole: Buffer, count = this.contents.count): void {
    try {
      this.contents.check(whole, count);
    } catch (error) {
      throw error instanceof WrongAnswer ? new WrongAnswer(`${this.path}: ${error.message}`) : error;
    }
  }

  async close(): Promise<void> {
    for (const log of this.#writers.values()) await log.close();
  }
}

type NameInput =
  | { what: 'put'; name: string; size: number }
  | { what: 'rename'; from: string; to: string }
  | { what: 'rm'; name: string }
  | { what: 'list' };
type NameOutput = { code: string } | { listed: string } | 'done';
type Names = ReadonlyMap<string, number>;

const keyOf = (names: Names): string =>
  [...names]
    .sort()
    .map(([name, size]) => `${name}=${size}`)
    .join(' ');

/** Files of one directory; the size of each, which is never the same twice, says which it is. */
const NAMES_MODEL: Model<Names, NameInput, NameOutput> = {
  initial: new Map(),
  key: keyOf,
  step: (names, input, output) => {
    const { next, result } = stepNames(names, input);
    if (output === undefined) return next;
    return JSON.stringify(result) === JSON.stringify(output) ? next : undefined;
  },
};

function stepNames(names: Names, input: NameInput): { next: Names; result: NameOutput } {
  switch (input.what) {
    case 'put':
      return { next: new Map(names).set(input.name, input.size), result: 'done' };
    case 'list':
      return { next: names, result: { listed: keyOf(names) } };
    case 'rm': {
      if (!names.has(input.name)) return { next: names, result: { code: 'ENOENT' } };
      const next = new Map(names);
      next.delete(input.name);
      return { next, result: 'done' };
    }
    case 'rename': {
      const size = names.get(input.from);
      if (size === undefined) return { next: names, result: { code: 'ENOENT' } };
      if (input.from === input.to) return { next: names, result: 'done' };
      const next = new Map(names);
      next.delete(input.from);
      return { next: next.set(input.to, size), result: 'done' };
    }
  }
}

const NAMES = ['one', 'two', 'three'];
/** A history of so many is looked through in milliseconds; then the next directory begins. */
const OPERATIONS_MAX = 60;

export class SharedNames {
  readonly #root: string;
  #number = 0;
  #sizes = 0;
  #history: Operation<NameInput, NameOutput>[] = [];
  #going = 0;
  #full = false;
  checked = 0;

  constructor(root: string) {
    this.#root = root;
  }

  async step(area: Area): Promise<void> {
    // The next directory begins when nothing is under way in this one.
    if (this.#full && this.#going === 0) this.finish();
    if (this.#full) return;
    if (this.#history.length >= OPERATIONS_MAX) {
      this.#full = true;
      return;
    }
    this.#going++;
    try {
      await this.#operate(area, area.client());
    } finally {
      this.#going--;
    }
  }

  /** Looks at what was done since the last time. */
  finish(): void {
    const history = this.#history;
    this.#history = [];
    this.#full = false;
    this.checked += history.length;
    if (!isLinearizable(NAMES_MODEL, history))
      throw new WrongAnswer(
        `no order of these makes their answers right, below ${this.#directory}:\n${history.map((each) => JSON.stringify(each)).join('\n')}`,
      );
    this.#number++;
  }

  get #directory(): string {
    return `${this.#root}/${this.#number}`;
  }

  async #operate(area: Area, client: PanguClient): Promise<void> {
    const at = (name: string): string => `${this.#directory}/${name}`;
    const dice = area.random.next();
    if (dice < 0.35) {
      const [name, size] = [area.pick(NAMES), ++this.#sizes];
      await this.#record(area, { what: 'put', name, size }, async () => {
        await client.writeFile(at(name), Buffer.alloc(size), { parents: true });
        return 'done';
      });
    } else if (dice < 0.6) {
      const [from, to] = [area.pick(NAMES), area.pick(NAMES)];
      await this.#record(area, { what: 'rename', from, to }, () => client.rename(at(from), at(to)).then(() => 'done'));
    } else if (dice < 0.75) {
      const name = area.pick(NAMES);
      await this.#record(area, { what: 'rm', name }, () => client.unlink(at(name), { skipTrash: true }).then(() => 'done'));
    } else {
      await this.#record(area, { what: 'list' }, async () => {
        const found = new Map<string, number>();
        for await (const { path, size } of client.readdir(this.#directory)) found.set(nameOf(path), size);
        return { listed: keyOf(found) };
      });
    }
  }

  async #record(area: Area, input: NameInput, work: () => Promise<NameOutput>): Promise<void> {
    const calledAt = performance.now();
    const { answer, value } = await area.attempt(`shared ${input.what}`, work);
    const output = outputOf(answer, value, input);
    // Of one that only looked nothing is left when nobody heard what it saw.
    if (output === undefined && input.what === 'list') return;
    this.#history.push({ input, output, calledAt, returnedAt: output === undefined ? Number.POSITIVE_INFINITY : performance.now() });
  }
}

/** A directory that nobody has made yet is empty. */
function outputOf(answer: Answer, value: NameOutput | undefined, input: NameInput): NameOutput | undefined {
  if (answer === 'unknown') return undefined;
  if (answer === 'done') return value;
  return input.what === 'list' && answer.code === 'ENOENT' ? { listed: '' } : answer;
}
