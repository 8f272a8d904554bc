import { WrongAnswer } from './contents.ts';
import { apply, emptyTree, type Tree, type TreeOp } from './tree.ts';

/** What came of an operation: done, refused, or nobody knows, since its answer was lost or it failed on the way. */
export type Answer = 'done' | 'unknown' | { code: string };

/** Trees beyond which the run looks before it goes on. */
const POSSIBLE_MAX = 16;

/** All trees that may be, given all answers so far. */
export class Possible {
  #trees: Tree[] = [emptyTree()];

  /** One of them; the only one, where nothing is in doubt. */
  get tree(): Tree {
    return this.#trees[0]!;
  }

  get isCertain(): boolean {
    return this.#trees.length === 1;
  }

  get isTooMany(): boolean {
    return this.#trees.length > POSSIBLE_MAX;
  }

  answered(op: TreeOp, answer: Answer): void {
    const next = this.#trees.flatMap((tree) => {
      const outcome = apply(tree, op);
      if (answer === 'unknown') return 'tree' in outcome && outcome.tree !== tree ? [tree, outcome.tree] : [tree];
      if (answer === 'done') return 'tree' in outcome ? [outcome.tree] : [];
      return ('code' in outcome ? outcome.code : outcome.or) === answer.code ? [tree] : [];
    });
    if (next.length === 0) {
      const expected = this.#trees.map((tree) => apply(tree, op)).map((outcome) => ('code' in outcome ? outcome.code : 'done'));
      throw new WrongAnswer(`${tell(op)}: ${tellAnswer(answer)}, where ${[...new Set(expected)].join(' or ')} is right`);
    }
    this.#trees = distinct(next);
  }

  /** Somebody looked. */
  seen(what: string, fits: (tree: Tree) => boolean): void {
    const next = this.#trees.filter(fits);
    if (next.length === 0) throw new WrongAnswer(`${what} is not what any order of what was done makes; e.g. ${tellTree(this.tree)}`);
    this.#trees = next;
  }
}

function distinct(trees: readonly Tree[]): Tree[] {
  return [...new Map(trees.map((tree) => [keyOf(tree), tree])).values()];
}

function keyOf(tree: Tree): string {
  return JSON.stringify(
    [...tree].map(([path, { id, type, filesMax, attributes }]) => [path, type, id, filesMax, [...attributes].sort()]).sort(),
  );
}

export function tell(op: TreeOp): string {
  const { what, ...rest } = op;
  return `${what} ${JSON.stringify(rest, (key, value) => (key === 'entries' ? undefined : value))}`;
}

export function tellAnswer(answer: Answer): string {
  return typeof answer === 'string' ? answer : answer.code;
}

function tellTree(tree: Tree): string {
  return [...tree]
    .map(([path, { type, id }]) => (type === 'file' ? `${path}(${id})` : `${path}/`))
    .sort()
    .join(' ');
}
