import { posix } from 'node:path';
import type { Random } from '../../../../services/base/random.ts';
import type { FileSystem, OpenFile } from '../../../../services/nuwa/log/file-system.ts';

/**
 * A file system in memory that does the worst that FileSystem allows. What was not synced is kept apart from what was, both of bytes and of names, and
 * a crash leaves any part of it: some writes and not others, half of one, a name without the one before it. A sync that fails drops what it had to write,
 * and the next one succeeds and says nothing of that. A full disk takes a part of a write and then no more, but goes on writing over what it has.
 *
 * Each call is a step, counted; `at` says what becomes of it.
 */
export type Fate = 'done' | 'crash' | Error;

class Bytes {
  content: Buffer = Buffer.alloc(0);
  /** What was synced. */
  durable: Buffer = Buffer.alloc(0);
  pending: ({ at: number; bytes: Buffer } | { length: number })[] = [];
}

class Directory {
  readonly entries = new Map<string, Bytes | Directory>();
  durable = new Map<string, Bytes | Directory>();
  pending: { removed?: string; added?: [string, Bytes | Directory] }[] = [];

  change(change: Directory['pending'][number]): void {
    applyNames(this.entries, change);
    this.pending.push(change);
  }
}

export class Crashed extends Error {}

export class MemoryFiles implements FileSystem {
  steps = 0;
  /** The calls so far, for whoever wants to know what step a number is. */
  readonly calls: string[] = [];
  at: (step: number, call: string) => Fate = () => 'done';
  /** No byte more than there are. */
  full = false;
  /** Another process that makes these calls, for their texts. */
  by = '';
  readonly #root: Directory;
  #crashed = false;

  constructor(root = new Directory()) {
    this.#root = root;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** What the next start finds. `lost`: all that was not synced; `kept`: nothing of that was lost; else some of it, by chance. */
  afterCrash(how: 'lost' | 'kept' | Random): MemoryFiles {
    return new MemoryFiles(leftOf(this.#root, how) as Directory);
  }

  /** What the next start finds when only the process died: all of it, and what was not synced is not synced still. */
  afterDeath(): MemoryFiles {
    return new MemoryFiles(this.#root);
  }

  async open(path: string, flags: string): Promise<OpenFile> {
    let node = this.#find(path);
    const makes = flags.startsWith('w') && !node;
    this.#step(`open ${flags} ${path}`, () => {
      if (flags === 'w' && node instanceof Bytes) change(node, { length: 0 });
      if (!makes || this.full) return;
      node = new Bytes();
      this.#in(path).change({ added: [posix.basename(path), node] });
    });
    if (flags.startsWith('wx') && !makes) failing('EEXIST', path);
    if (!node) failing(makes ? 'ENOSPC' : 'ENOENT', path);
    return this.#handle(path, node);
  }

  async readFile(path: string): Promise<Buffer> {
    this.#step(`read ${path}`);
    return Buffer.from(this.#bytes(path).content);
  }

  async bytesOf(path: string): Promise<number> {
    this.#step(`stat ${path}`);
    return this.#bytes(path).content.length;
  }

  async list(dir: string): Promise<string[]> {
    this.#step(`list ${dir}`);
    return [...this.#directory(dir).entries.keys()];
  }

  async makeDir(dir: string): Promise<string | undefined> {
    let first: string | undefined;
    this.#step(`mkdir ${dir}`, () => {
      const parts = dir.split('/').filter((part) => part !== '');
      parts.forEach((part, i) => {
        const path = `/${parts.slice(0, i + 1).join('/')}`;
        if (this.#find(path)) return;
        first ??= path;
        this.#in(path).change({ added: [part, new Directory()] });
      });
    });
    return first;
  }

  async rename(from: string, to: string): Promise<void> {
    const node = this.#bytes(from);
    this.#step(`rename ${from} ${to}`, () => this.#in(from).change({ removed: posix.basename(from), added: [posix.basename(to), node] }));
  }

  async remove(path: string): Promise<void> {
    this.#step(`remove ${path}`, () => {
      if (this.#find(path)) this.#in(path).change({ removed: posix.basename(path) });
    });
  }

  async freeBytes(): Promise<number> {
    this.#step('free');
    return this.full ? 0 : 2 ** 40;
  }

  /** Names, as a program sees them now. */
  names(dir: string): string[] {
    return [...this.#directory(dir).entries.keys()].sort();
  }

  #handle(path: string, node: Bytes | Directory): OpenFile {
    const file = node instanceof Bytes ? node : new Bytes();
    const sync = async (): Promise<void> => {
      const fail = (): void => {
        node.pending = [];
      };
      this.#step(`sync ${path}`, undefined, fail);
      if (node instanceof Directory) node.durable = new Map(node.entries);
      else {
        for (const each of node.pending) node.durable = applied(node.durable, each);
      }
      node.pending = [];
    };
    return {
      read: async (into, offset, length, position) => {
        this.#step(`read ${path}`);
        const bytesRead = file.content.subarray(position, position + length).copy(into as Buffer, offset);
        return { bytesRead };
      },
      write: async (bytes, offset, length, position) => {
        const room = this.full ? Math.max(0, file.content.length - position) : length;
        const taken = Buffer.from(bytes.subarray(offset, offset + Math.min(length, room)));
        this.#step(`write ${path}`, () => change(file, { at: position, bytes: taken }));
        if (taken.length === 0 && length > 0) failing('ENOSPC', path);
        return { bytesWritten: taken.length };
      },
      truncate: async (length) => this.#step(`truncate ${path}`, () => change(file, { length })),
      sync,
      datasync: sync,
      stat: async () => {
        this.#step(`stat ${path}`);
        return { size: file.content.length };
      },
      close: async () => {},
    };
  }

  /** A crash comes while the step is done: it may have been, as all that is not synced. */
  #step(call: string, effect?: () => void, failed?: () => void): void {
    if (this.#crashed) throw new Crashed(`after the crash: ${call}`);
    const text = call + this.by;
    this.calls.push(text);
    const fate = this.at(++this.steps, text);
    if (fate instanceof Error) {
      failed?.();
      throw fate;
    }
    effect?.();
    if (fate !== 'crash') return;
    this.#crashed = true;
    throw new Crashed(`step ${this.steps}: ${call}`);
  }

  #find(path: string): Bytes | Directory | undefined {
    let node: Bytes | Directory | undefined = this.#root;
    for (const part of path.split('/').filter((each) => each !== '')) node = node instanceof Directory ? node.entries.get(part) : undefined;
    return node;
  }

  #in(path: string): Directory {
    return this.#directory(posix.dirname(path));
  }

  #directory(path: string): Directory {
    const node = this.#find(path);
    return node instanceof Directory ? node : failing('ENOENT', path);
  }

  #bytes(path: string): Bytes {
    const node = this.#find(path);
    return node instanceof Bytes ? node : failing('ENOENT', path);
  }
}

function failing(code: string, path: string): never {
  throw Object.assign(new Error(`${code}: ${path}`), { code });
}

function change(file: Bytes, pending: Bytes['pending'][number]): void {
  file.content = applied(file.content, pending);
  file.pending.push(pending);
}

function applied(before: Buffer, pending: Bytes['pending'][number]): Buffer {
  if ('length' in pending) {
    if (pending.length <= before.length) return Buffer.from(before.subarray(0, pending.length));
    return Buffer.concat([before, Buffer.alloc(pending.length - before.length)]);
  }
  const { at, bytes } = pending;
  const after = Buffer.alloc(Math.max(before.length, at + bytes.length));
  before.copy(after);
  bytes.copy(after, at);
  return after;
}

function applyNames(names: Map<string, Bytes | Directory>, { removed, added }: Directory['pending'][number]): void {
  if (removed !== undefined) names.delete(removed);
  if (added) names.set(...added);
}

function leftOf(node: Bytes | Directory, how: 'lost' | 'kept' | Random): Bytes | Directory {
  const stays = (): boolean => (typeof how === 'string' ? how === 'kept' : how.int(2) === 0);
  if (node instanceof Bytes) {
    let content = node.durable;
    for (const each of node.pending) {
      if (!stays()) continue;
      const half = typeof how !== 'string' && 'bytes' in each && how.int(3) === 0;
      content = applied(content, half ? { at: each.at, bytes: each.bytes.subarray(0, how.int(each.bytes.length + 1)) } : each);
    }
    const left = new Bytes();
    left.content = left.durable = content;
    return left;
  }
  const names = new Map(node.durable);
  for (const each of node.pending) if (stays()) applyNames(names, each);
  const left = new Directory();
  // One file may have two names, where a rename was half kept: it is one file no more, which changes nothing here.
  for (const [name, each] of names) left.entries.set(name, leftOf(each, how));
  left.durable = new Map(left.entries);
  return left;
}
