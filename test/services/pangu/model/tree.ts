/**
 * Names as they should be: what one operation after the other makes of a tree, and which code it is refused with. A tree is never changed; each operation gives the next
 * one. Where an answer was lost there are several trees that may be, until an answer fits only some of them (`Possible`).
 */
export interface Entry {
  readonly type: 'file' | 'directory';
  /** Of a file; what it holds is looked up by it. */
  readonly id: number;
  readonly attributes: ReadonlyMap<string, string>;
  /** Of a directory: how many files may be below it. */
  readonly filesMax?: number;
}

export type Tree = ReadonlyMap<string, Entry>;

export type TreeOp =
  | { what: 'mkdir'; path: string; recursive: boolean }
  /** A file appears; `replace`: in the place of one that is there. */
  | { what: 'create'; path: string; id: number; replace: boolean }
  | { what: 'rename'; from: string; to: string }
  | { what: 'remove'; path: string; as: 'file' | 'one' | 'tree'; force?: boolean }
  | { what: 'publish'; directory: string; files: { from: string; name: string }[]; overwrite: boolean }
  /** Something that lay in the trash comes back. */
  | { what: 'restore'; to: string; entries: Tree }
  | { what: 'setAttribute'; path: string; name: string; value: string }
  | { what: 'removeAttribute'; path: string; name: string }
  | { what: 'setQuota'; path: string; filesMax: number | undefined }
  | { what: 'stat'; path: string };

/** `or`: it may as well be refused so. */
export type Outcome = { code: string } | { tree: Tree; or?: string };

/** All paths are below the root of the tree, which is ''. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const isBelow = (path: string, above: string): boolean => path.startsWith(`${above}/`);
export const emptyTree = (): Tree => new Map([['', directory()]]);
const directory = (): Entry => ({ type: 'directory', id: 0, attributes: new Map() });
const refuse = (code: string): Outcome => ({ code });

export function childrenOf(tree: Tree, path: string): string[] {
  return [...tree.keys()].filter((each) => each !== '' && parentOf(each) === path).sort();
}

export function below(tree: Tree, path: string): Map<string, Entry> {
  return new Map(
    [...tree].filter(([each]) => each === path || isBelow(each, path)).map(([each, entry]) => [each.slice(path.length), entry]),
  );
}

export function filesBelow(tree: Tree, path: string): number {
  return [...tree].filter(([each, { type }]) => type === 'file' && isBelow(each, path)).length;
}

export function apply(tree: Tree, op: TreeOp): Outcome {
  switch (op.what) {
    case 'mkdir':
      return mkdir(tree, op.path, op.recursive);
    case 'create':
      return create(tree, op);
    case 'rename':
      return rename(tree, op.from, op.to);
    case 'remove':
      return op.force && !tree.has(op.path) ? { tree } : remove(tree, op.path, op.as);
    case 'publish':
      return publish(tree, op);
    case 'restore':
      return restore(tree, op.to, op.entries);
    case 'stat': {
      const refusal = missing(tree, op.path);
      return refusal ?? { tree };
    }
    default:
      return change(tree, op);
  }
}

/** Why nothing is at a path, if so. */
function missing(tree: Tree, path: string): { code: string } | undefined {
  if (tree.has(path)) return undefined;
  return { code: blocked(tree, path) ?? 'ENOENT' };
}

/** ENOTDIR where a path goes through a file. */
function blocked(tree: Tree, path: string): 'ENOTDIR' | undefined {
  for (let above = parentOf(path); above !== ''; above = parentOf(above)) if (tree.get(above)?.type === 'file') return 'ENOTDIR';
  return undefined;
}

function noParent(tree: Tree, path: string): { code: string } | undefined {
  const parent = parentOf(path);
  if (tree.get(parent)?.type === 'directory') return undefined;
  return { code: blocked(tree, path) ?? 'ENOENT' };
}

/** Growth that a quota forbids, whatever else is right. A place that holds more than it may already may refuse what replaces as much as it brings. */
function withinQuotas(before: Tree, after: Map<string, Entry>): Outcome {
  let full = false;
  for (const [path, { filesMax }] of after) {
    if (filesMax === undefined || !before.has(path)) continue;
    const now = filesBelow(after, path);
    if (now > filesMax && now > filesBelow(before, path)) return refuse('EDQUOT');
    full ||= now > filesMax;
  }
  return full ? { tree: after, or: 'EDQUOT' } : { tree: after };
}

function mkdir(tree: Tree, path: string, recursive: boolean): Outcome {
  const there = tree.get(path);
  if (there) return recursive && there.type === 'directory' ? { tree } : refuse('EEXIST');
  if (!recursive) return noParent(tree, path) ?? { tree: new Map([...tree, [path, directory()]]) };
  if (blocked(tree, path)) return refuse('ENOTDIR');
  const after = new Map(tree);
  for (let at = path; !after.has(at); at = parentOf(at)) after.set(at, directory());
  return { tree: after };
}

function create(tree: Tree, { path, id, replace }: { path: string; id: number; replace: boolean }): Outcome {
  const there = tree.get(path);
  if (there && !replace) return refuse('EEXIST');
  if (there?.type === 'directory') return refuse('EISDIR');
  const refusal = noParent(tree, path);
  if (refusal) return refusal;
  return withinQuotas(tree, new Map(tree).set(path, { type: 'file', id, attributes: new Map() }));
}

function moved(tree: Tree, from: string, to: string): Map<string, Entry> {
  const after = new Map([...tree].filter(([each]) => each !== from && !isBelow(each, from)));
  for (const [rest, entry] of below(tree, from)) after.set(to + rest, entry);
  return after;
}

function rename(tree: Tree, from: string, to: string): Outcome {
  const refusal = missing(tree, from) ?? noParent(tree, to);
  if (refusal) return refusal;
  if (from === to) return { tree };
  const moving = tree.get(from)!;
  const standing = tree.get(to);
  if (moving.type === 'directory' && isBelow(to, from)) return refuse('EINVAL');
  if (standing?.type === 'directory' && moving.type === 'file') return refuse('EISDIR');
  if (standing?.type === 'file' && moving.type === 'directory') return refuse('ENOTDIR');
  if (standing?.type === 'directory' && childrenOf(tree, to).length > 0) return refuse('ENOTEMPTY');
  return withinQuotas(tree, moved(tree, from, to));
}

function remove(tree: Tree, path: string, as: 'file' | 'one' | 'tree'): Outcome {
  const refusal = missing(tree, path);
  if (refusal) return refusal;
  const there = tree.get(path)!;
  if (there.type === 'directory' && as === 'file') return refuse('EISDIR');
  if (there.type === 'directory' && as === 'one' && childrenOf(tree, path).length > 0) return refuse('ENOTEMPTY');
  return { tree: new Map([...tree].filter(([each]) => each !== path && !isBelow(each, path))) };
}

function publish(tree: Tree, { directory: to, files, overwrite }: Extract<TreeOp, { what: 'publish' }>): Outcome {
  if (blocked(tree, to)) return refuse('ENOTDIR');
  for (const { from } of files) {
    const refusal = missing(tree, from);
    if (refusal) return refusal;
    if (tree.get(from)!.type === 'directory') return refuse('EISDIR');
  }
  const standing = tree.get(to);
  if (standing && !overwrite) return refuse('EEXIST');
  if (files.some(({ from }) => from === to)) return refuse('EINVAL');
  const after = new Map(tree);
  // Sources below what is replaced are moved out of it first.
  const sources = files.map(({ from }) => after.get(from)!);
  for (const { from } of files) after.delete(from);
  for (const each of below(after, to).keys()) after.delete(to + each);
  for (let above = to; !after.has(above); above = parentOf(above)) after.set(above, directory());
  for (const [i, { name }] of files.entries()) after.set(`${to}/${name}`, sources[i]!);
  return withinQuotas(tree, after);
}

function restore(tree: Tree, to: string, entries: Tree): Outcome {
  const source = entries.get('')!;
  const standing = tree.get(to);
  const refusal = noParent(tree, to);
  if (refusal) return refusal;
  if (standing?.type === 'directory' && source.type === 'file') return refuse('EISDIR');
  if (standing?.type === 'file' && source.type === 'directory') return refuse('ENOTDIR');
  if (standing?.type === 'directory' && childrenOf(tree, to).length > 0) return refuse('ENOTEMPTY');
  const after = new Map(tree);
  for (const [rest, entry] of entries) after.set(to + rest, entry);
  return withinQuotas(tree, after);
}

function change(tree: Tree, op: Extract<TreeOp, { what: 'setAttribute' | 'removeAttribute' | 'setQuota' }>): Outcome {
  const refusal = missing(tree, op.path);
  if (refusal) return refusal;
  const there = tree.get(op.path)!;
  if (op.what === 'setQuota') {
    if (there.type === 'file') return refuse('ENOTDIR');
    return { tree: new Map(tree).set(op.path, { ...there, filesMax: op.filesMax }) };
  }
  const attributes = new Map(there.attributes);
  if (op.what === 'setAttribute') attributes.set(op.name, op.value);
  else if (!attributes.delete(op.name)) return refuse('ENODATA');
  return { tree: new Map(tree).set(op.path, { ...there, attributes }) };
}
