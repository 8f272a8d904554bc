import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { viewChildren, viewNode } from '../../../../../services/nuwa/core/tree/read.ts';
import { nodeAt, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes, TreeScript } from './script.ts';

const NO_BOUND = Number.MAX_SAFE_INTEGER;

function listed(state: TreeState, path: string, limit?: number, bytesMax = NO_BOUND): string[][] {
  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = viewChildren(path, nodeAt(state, path)!, after, bytesMax, limit);
    pages.push(page.children.map((child) => child.path));
    after = page.next;
  } while (after !== undefined);
  return pages;
}

function withChildren(count: number): TreeScript {
  const script = new TreeScript();
  script.create('/dir');
  for (let i = 0; i < count; i++) script.create(`/dir/${(i * 7) % count}`, { value: bytes('0123456789') });
  return script;
}

describe('children', () => {
  it('come by name, with `limit` at most on a page and no empty page at the end', () => {
    const { state } = withChildren(6);
    expect(listed(state, '/dir')).toEqual([['/dir/0', '/dir/1', '/dir/2', '/dir/3', '/dir/4', '/dir/5']]);
    expect(listed(state, '/dir', 2)).toEqual([
      ['/dir/0', '/dir/1'],
      ['/dir/2', '/dir/3'],
      ['/dir/4', '/dir/5'],
    ]);
    expect(listed(state, '/dir', 4).map(({ length }) => length)).toEqual([4, 2]);
    expect(listed(state, '/dir', 6).length).toBe(1);
    expect(listed(state, '/', 1)).toEqual([['/dir']]);
    expect(listed(state, '/dir/0')).toEqual([[]]);
  });

  it('are cut at the bytes of a page too, one at least on each', () => {
    const { state } = withChildren(6);
    expect(listed(state, '/dir', 4, 1).map(({ length }) => length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(listed(state, '/dir', 4, 600).map(({ length }) => length)).toEqual([2, 2, 2]);
  });

  it('of a directory that grows large, changes and shrinks are all there at every size', () => {
    const random = seededRandom(5);
    const script = new TreeScript();
    script.create('/dir');
    const names = new Set<string>();
    for (let step = 0; step < 6_000; step++) {
      const name = String(random.int(100_000));
      const [oldest] = names;
      if (!names.has(name) && random.int(10) < (step < 2_500 ? 9 : 2)) {
        names.add(name);
        script.create(`/dir/${name}`);
      } else if (oldest !== undefined) {
        names.delete(oldest);
        script.write({ kind: 'delete', path: `/dir/${oldest}` });
      }
      if (step % 500 !== 0) continue;
      const wanted = [...names].sort().map((each) => `/dir/${each}`);
      expect(listed(script.state, '/dir', 300).flat(), `step ${step}`).toEqual(wanted);
    }
  });
});

describe('a node as it is seen', () => {
  it('says what it is beside a plain one', () => {
    const script = new TreeScript();
    script.create('/p');
    script.create('/e', { ephemeral: true });
    script.create('/c', { container: true });
    script.create('/t', { ttlMs: 5_000 });
    const view = (path: string) => viewNode(path, nodeAt(script.state, path)!);
    expect(Object.keys(view('/p'))).not.toContain('ephemeralOwner');
    expect(Object.keys(view('/p'))).not.toContain('container');
    expect(view('/e')).toMatchObject({ ephemeralOwner: 's1' });
    expect(view('/c')).toMatchObject({ container: true });
    expect(view('/t')).toMatchObject({ ttlMs: 5_000 });
  });
});
