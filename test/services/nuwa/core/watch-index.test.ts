import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import type { NuwaEvent } from '../../../../services/nuwa/contract.ts';
import { isUnder, parentPath } from '../../../../services/nuwa/core/tree/path.ts';
import { WatchIndex, type WatchKind } from '../../../../services/nuwa/core/watch-index.ts';

type Change = Pick<NuwaEvent, 'kind' | 'path'>;
const KINDS = ['node', 'children', 'below'] as const;

/** One watch of each kind on `/`, `/a`, `/a/b`, `/ab`; named `<kind> <path>`. */
function sample(): WatchIndex<string> {
  const index = new WatchIndex<string>();
  for (const path of ['/', '/a', '/a/b', '/ab']) for (const kind of KINDS) index.add(path, kind, `${kind} ${path}`);
  return index;
}

describe('the index of watches', () => {
  it.each([
    ['changed', '/a', ['node /a', 'below /a', 'below /']],
    ['created', '/a', ['node /a', 'children /', 'below /a', 'below /']],
    ['deleted', '/a', ['node /a', 'children /a', 'children /', 'below /a', 'below /']],
    ['created', '/a/b', ['node /a/b', 'children /a', 'below /a/b', 'below /a', 'below /']],
    ['changed', '/a/b/c/d', ['below /a/b', 'below /a', 'below /']],
    ['created', '/a/b/c', ['children /a/b', 'below /a/b', 'below /a', 'below /']],
    ['changed', '/', ['node /', 'below /']],
    ['changed', '/abc', ['below /']],
  ] as const)('%s %s tells %j', (kind, path, told) => {
    expect(
      sample()
        .matching({ kind, path })
        .map(({ watcher }) => watcher),
    ).toEqual(told);
  });

  it('tells nobody after the last watch was removed, and removing twice removes once', () => {
    const index = new WatchIndex<string>();
    const removeOne = index.add('/a', 'node', 'same');
    const removeOther = index.add('/a', 'node', 'same');
    expect(index.matching({ kind: 'changed', path: '/a' }).length).toBe(2);
    removeOne();
    removeOne();
    expect(index.size).toBe(1);
    expect(index.matching({ kind: 'changed', path: '/a' }).length).toBe(1);
    removeOther();
    expect(index.size).toBe(0);
    expect(index.matching({ kind: 'changed', path: '/a' })).toEqual([]);
  });

  it('may be changed by those who are told', () => {
    const index = new WatchIndex<() => void>();
    let told = 0;
    const watchOnce = (): void => {
      const remove = index.add('/a', 'node', () => {
        told++;
        remove();
        watchOnce();
      });
    };
    for (let i = 0; i < 3; i++) watchOnce();
    for (const { watcher } of index.matching({ kind: 'changed', path: '/a' })) watcher();
    expect(told).toBe(3);
    expect(index.size).toBe(3);
  });

  it('finds what looking at every watch finds, whatever comes and goes', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed);
      const path = (): string => {
        let made = '';
        for (let depth = random.int(4); depth > 0; depth--) made += `/${'abc'[random.int(3)]}`;
        return made || '/';
      };
      const index = new WatchIndex<number>();
      const all = new Map<number, { path: string; kind: WatchKind; remove: () => void }>();
      for (let step = 0; step < 300; step++) {
        if (all.size > 0 && random.int(3) === 0) {
          const id = [...all.keys()][random.int(all.size)]!;
          all.get(id)!.remove();
          all.delete(id);
        } else {
          const watch = { path: path(), kind: KINDS[random.int(3)]! };
          all.set(step, { ...watch, remove: index.add(watch.path, watch.kind, step) });
        }
        const change: Change = { kind: (['created', 'changed', 'deleted'] as const)[random.int(3)]!, path: path() };
        const wanted = [...all].filter(([, { path, kind }]) => concerns(change, path, kind)).map(([id]) => id);
        const found = index.matching(change).map(({ watcher }) => watcher);
        expect(
          found.sort((a, b) => a - b),
          `seed ${seed}, step ${step}`,
        ).toEqual(wanted);
        expect(index.size).toBe(all.size);
      }
    }
  });
});

function concerns(change: Change, path: string, kind: WatchKind): boolean {
  if (kind !== 'children') return isUnder(change.path, path, kind === 'below');
  if (change.kind === 'changed') return false;
  if (change.path === path) return change.kind === 'deleted';
  return change.path !== '/' && parentPath(change.path) === path;
}
