import { describe, expect, it } from 'vitest';
import { VALUE_BYTES_MAX } from '../../../../../services/nuwa/contract.ts';
import { applyBatch } from '../../../../../services/nuwa/core/tree/apply.ts';
import type { Command } from '../../../../../services/nuwa/core/tree/command.ts';
import { statOf } from '../../../../../services/nuwa/core/tree/node.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { nodeAt } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes, outcome, seen, TreeScript, told } from './script.ts';

/** `/dir` with children `a` and `b`, and `/mine`, an ephemeral of s1. Revision 4. */
function sample(): TreeScript {
  const script = new TreeScript();
  script.create('/dir');
  script.create('/dir/a', { value: bytes('A') });
  script.create('/dir/b');
  script.create('/mine', { ephemeral: true });
  return script;
}

describe('create', () => {
  it.each([
    ['/new', {}, 'done', ['created /new@5']],
    ['/dir/a/deep', {}, 'done', ['created /dir/a/deep@5']],
    ['/dir/a', {}, 'NodeExists', []],
    ['/', {}, 'NodeExists', []],
    ['/x/y', {}, 'NoNode', []],
    ['/x/y/z', { parents: true }, 'done', ['created /x@5', 'created /x/y@6', 'created /x/y/z@7']],
    ['/dir/a', { parents: true }, 'NodeExists', []],
    ['/mine/child', {}, 'EphemeralChild', []],
    ['/mine/child/deep', { parents: true }, 'EphemeralChild', []],
    ['bad', {}, 'BadPath', []],
    ['/bad/', {}, 'BadPath', []],
    ['/big', { value: new Uint8Array(VALUE_BYTES_MAX) }, 'done', ['created /big@5']],
    ['/x/big', { value: new Uint8Array(VALUE_BYTES_MAX + 1), parents: true }, 'ValueTooLarge', []],
    ['/dir/n-', { sequential: true }, 'done', ['created /dir/n-0000000000@5']],
    ['/dir/', { sequential: true }, 'done', ['created /dir/0000000000@5']],
    [`/dir/${'x'.repeat(245)}`, { sequential: true }, 'done', [`created /dir/${'x'.repeat(245)}0000000000@5`]],
    [`/dir/${'x'.repeat(246)}`, { sequential: true }, 'BadPath', []],
    ['/mine', { ephemeral: true }, 'NodeExists', []],
    ['/mine', { ephemeral: true, replace: true }, 'done', ['deleted /mine@5', 'created /mine@6']],
    ['/dir/a', { ephemeral: true, replace: true }, 'NodeExists', []],
    ['/mine', { replace: true }, 'done', ['deleted /mine@5', 'created /mine@6']],
    ['/c', { container: true }, 'done', ['created /c@5']],
    ['/c-', { container: true, sequential: true }, 'done', ['created /c-0000000000@5']],
    ['/t', { ttlMs: 1_000 }, 'done', ['created /t@5']],
    ['/t-', { ttlMs: 1_000, sequential: true }, 'done', ['created /t-0000000000@5']],
    ['/new', { ephemeral: true, container: true }, 'BadArguments', []],
    ['/new', { ephemeral: true, ttlMs: 1_000 }, 'BadArguments', []],
    ['/new', { container: true, ttlMs: 1_000 }, 'BadArguments', []],
    ['/new', { sequential: true, replace: true }, 'BadArguments', []],
    ['//new', {}, 'BadPath', []],
    ['//', { sequential: true }, 'BadPath', []],
    ['', {}, 'BadPath', []],
  ])('%s with %o: %s', (path, options, expected, events) => {
    const script = sample();
    const applied = script.create(path, options);
    expect(outcome(applied)).toBe(expected);
    expect(told(applied)).toEqual(events);
    expect(script.state.revision).toBe(4 + events.length);
  });

  it('notes who, when and at which revision', () => {
    const script = sample();
    script.create('/x/y', { value: bytes('v'), parents: true }, 's2');
    const index = script.state.index;
    expect(seen(script.state, '/x/y')).toMatchObject({
      creator: 'two',
      version: 0,
      createRevision: 6,
      modifyRevision: 6,
      createdAtMs: 1_000 + index,
      modifiedAtMs: 1_000 + index,
      value: bytes('v'),
    });
    expect(seen(script.state, '/x')).toMatchObject({ creator: 'two', createRevision: 5, value: bytes('') });
  });

  it('never repeats a counter under the same parent, and passes over names made by hand', () => {
    const script = sample();
    const made = (): unknown => {
      const { reply } = script.create('/dir/n-', { sequential: true });
      return reply.kind === 'done' && reply.path;
    };
    expect(made()).toBe('/dir/n-0000000000');
    script.write({ kind: 'delete', path: '/dir/n-0000000000' });
    script.create('/dir/n-0000000001');
    expect(made()).toBe('/dir/n-0000000002');
    expect(made()).toBe('/dir/n-0000000003');
  });

  it('counts on where the last child of its name was removed with all others, and anew where the parent was', () => {
    const script = sample();
    const made = (): string[] => told(script.create('/dir/n-', { sequential: true }));
    made();
    expect(made()).toEqual(['created /dir/n-0000000001@6']);
    for (const child of ['a', 'b', 'n-0000000000', 'n-0000000001']) script.write({ kind: 'delete', path: `/dir/${child}` });
    expect(seen(script.state, '/dir')!.childCount).toBe(0);
    expect(made()).toEqual(['created /dir/n-0000000002@11']);
    script.write({ kind: 'delete', path: '/dir', recursive: true });
    script.create('/dir');
    expect(made()).toEqual(['created /dir/n-0000000000@15']);
  });

  it('hands an ephemeral over to the session that replaces it', () => {
    const script = sample();
    script.create('/mine', { ephemeral: true, replace: true, value: bytes('two') }, 's2');
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'expired' }))).toEqual([]);
    expect(seen(script.state, '/mine')).toMatchObject({ ephemeralOwner: 's2', value: bytes('two') });
    expect(told(script.apply({ kind: 'closeSession', session: 's2', why: 'expired' }))).toEqual(['deleted /mine@7']);
  });
});

describe('a node', () => {
  it('counts the children that came and went, and notes at which revision the last did', () => {
    const script = sample();
    const stat = () => statOf(nodeAt(script.state, '/dir')!);
    expect(stat()).toMatchObject({ childVersion: 2, childRevision: 3, childCount: 2 });
    script.write({ kind: 'set', path: '/dir/a', value: bytes('x') });
    script.create('/dir/a/deep');
    expect(stat()).toMatchObject({ childVersion: 2, childRevision: 3, version: 0, modifyRevision: 1 });
    script.write({ kind: 'delete', path: '/dir/b' });
    expect(stat()).toMatchObject({ childVersion: 3, childRevision: 7, childCount: 1 });
    expect(statOf(nodeAt(script.state, '/dir/a')!)).toMatchObject({ childVersion: 1, childRevision: 6 });
    expect(statOf(nodeAt(script.state, '/mine')!)).toMatchObject({ childVersion: 0, childRevision: 4, ephemeralOwner: 's1' });
  });

  it('is found by its path alone', () => {
    const { state } = sample();
    for (const path of ['', 'dir', '/dir/', '//', '//dir', '/dir//a', '/dir/a/', '/none/a', '/.'])
      expect(nodeAt(state, path)).toBeUndefined();
    expect(nodeAt(state, '/')).toBe(state.root);
    expect(nodeAt(state, '/dir/a')!.value).toEqual(Buffer.from('A'));
  });

  it.each([0, 1, 100, 4_096, 4_097, 100_000])(
    'gives back a value of %i bytes as it was, whatever its bytes and whoever changes theirs later',
    (length) => {
      const script = sample();
      const value = Uint8Array.from({ length }, (_, i) => (i * 7) & 255);
      const given = new Uint8Array(value);
      script.create('/value', { value: given });
      given.fill(0);
      const kept = nodeAt(script.state, '/value')!;
      expect(Buffer.from(kept.value).equals(value)).toBe(true);
      expect(kept.valueBytes).toBe(length);
    },
  );
});

describe('a reply', () => {
  it('of a change that was asked for it carries the stat as it was right after', () => {
    const script = sample();
    const by = { wantStat: true };
    const index = script.state.index + 1;
    expect(script.write({ kind: 'create', path: '/dir/c', value: bytes('abc') }, 's1', by).reply).toEqual({
      kind: 'done',
      revision: 5,
      path: '/dir/c',
      stat: {
        createRevision: 5,
        modifyRevision: 5,
        createdAtMs: 1_000 + index,
        modifiedAtMs: 1_000 + index,
        version: 0,
        childVersion: 0,
        childRevision: 5,
        aclVersion: 0,
        ephemeralOwner: undefined,
        valueBytes: 3,
        childCount: 0,
      },
    });
    expect(script.write({ kind: 'set', path: '/dir', value: bytes('') }, 's1', by).reply).toMatchObject({
      stat: { version: 1, childCount: 3 },
    });
    expect(script.write({ kind: 'set', path: '/dir', value: bytes('') }).reply).toEqual({ kind: 'done', revision: 7, version: 2 });
  });

  it('that refuses tells the revision that it looked at', () => {
    const script = sample();
    expect(script.create('/x/y').reply).toMatchObject({ kind: 'refused', code: 'NoNode', revision: 4 });
    expect(script.create('/x', {}, 'nobody').reply).toMatchObject({ kind: 'refused', code: 'NoSession', revision: 4 });
  });
});

describe('an entry', () => {
  it('has any number of commands, which share its index and its time; one without commands counts too', () => {
    const { state } = sample();
    const { index } = state;
    const by = { session: 's1', request: 0, settled: 0 };
    const create = (path: string): Command => ({ kind: 'create', path, value: bytes(''), ...by });
    const applied = applyBatch(state, [create('/x'), create('/x'), create('/x/y')], { index: index + 1, nowMs: 77 });
    expect(applied.map(outcome)).toEqual(['done', 'NodeExists', 'done']);
    expect(applied.flatMap(told)).toEqual(['created /x@5', 'created /x/y@6']);
    expect(seen(state, '/x/y')!.createdAtMs).toBe(77);
    expect(applyBatch(state, [], { index: index + 2, nowMs: 78 })).toEqual([]);
    expect(state.index).toBe(index + 2);
    expect(() => applyBatch(state, [], { index: index + 4, nowMs: 79 })).toThrow('invariant');
  });
});

describe('set', () => {
  it.each([
    ['/dir/a', {}, 'done'],
    ['/dir/a', { version: 0 }, 'done'],
    ['/dir/a', { version: 1 }, 'BadVersion'],
    ['/dir/a', { createRevision: 2 }, 'done'],
    ['/dir/a', { createRevision: 3 }, 'BadVersion'],
    ['/', {}, 'done'],
    ['/none', {}, 'NoNode'],
    ['/none', { version: 0 }, 'NoNode'],
    ['/dir/', {}, 'BadPath'],
  ])('%s with %o: %s', (path, guard, expected) => {
    const script = sample();
    const applied = script.write({ kind: 'set', path, value: bytes('new'), ...guard });
    expect(outcome(applied)).toBe(expected);
    expect(told(applied)).toEqual(expected === 'done' ? [`changed ${path}@5`] : []);
    if (expected === 'done') expect(seen(script.state, path)).toMatchObject({ version: 1, modifyRevision: 5, value: bytes('new') });
  });

  it('takes a value of exactly the limit and refuses one byte more', () => {
    const script = sample();
    expect(outcome(script.write({ kind: 'set', path: '/dir', value: new Uint8Array(VALUE_BYTES_MAX) }))).toBe('done');
    expect(outcome(script.write({ kind: 'set', path: '/dir', value: new Uint8Array(VALUE_BYTES_MAX + 1) }))).toBe('ValueTooLarge');
  });
});

describe('delete', () => {
  it.each([
    ['/dir/a', {}, 'done', ['deleted /dir/a@5']],
    ['/dir/a', { version: 0 }, 'done', ['deleted /dir/a@5']],
    ['/dir/a', { version: 1 }, 'BadVersion', []],
    ['/dir/a', { createRevision: 1 }, 'BadVersion', []],
    ['/dir', {}, 'NotEmpty', []],
    ['/dir', { recursive: true }, 'done', ['deleted /dir/a@5', 'deleted /dir/b@6', 'deleted /dir@7']],
    ['/none', {}, 'NoNode', []],
    ['/none', { recursive: true }, 'NoNode', []],
    ['/', { recursive: true }, 'BadPath', []],
    ['nowhere', {}, 'BadPath', []],
  ])('%s with %o: %s', (path, options, expected, events) => {
    const applied = sample().write({ kind: 'delete', path, ...options });
    expect(outcome(applied)).toBe(expected);
    expect(told(applied)).toEqual(events);
  });

  it('of an ephemeral leaves nothing for its session to remove', () => {
    const script = sample();
    script.write({ kind: 'delete', path: '/mine' }, 's2');
    script.create('/mine');
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'closed' }))).toEqual([]);
    expect(seen(script.state, '/mine')).toBeDefined();
  });
});

describe('a session', () => {
  it('takes its ephemerals with it, by path, one revision each', () => {
    const script = sample();
    script.create('/dir/z', { ephemeral: true });
    script.create('/dir/c', { ephemeral: true });
    script.create('/dir/other', { ephemeral: true }, 's2');
    const applied = script.apply({ kind: 'closeSession', session: 's1', why: 'expired' });
    expect(told(applied)).toEqual(['deleted /dir/c@8', 'deleted /dir/z@9', 'deleted /mine@10']);
    expect(seen(script.state, '/dir/other')).toBeDefined();
  });

  it('that is closed refuses changes and can be closed again', () => {
    const script = sample();
    script.apply({ kind: 'closeSession', session: 's1', why: 'closed' });
    expect(outcome(script.create('/new'))).toBe('NoSession');
    expect(outcome(script.apply({ kind: 'closeSession', session: 's1', why: 'closed' }))).toBe('done');
  });

  it('opened twice is opened once', () => {
    const script = sample();
    script.apply({ kind: 'openSession', session: 's1', ttlMs: 5_000, creator: 'one' });
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'closed' }))).toEqual(['deleted /mine@5']);
  });
});

describe('a session with a password', () => {
  const open = (password?: Uint8Array) => ({ kind: 'openSession', session: 'p', ttlMs: 5_000, creator: 'one', password }) as const;

  it('is opened again by who knows it', () => {
    const script = new TreeScript();
    script.apply(open(bytes('secret')));
    expect(outcome(script.apply(open(bytes('secret'))))).toBe('done');
    for (const other of [bytes('secreT'), bytes('secret2'), bytes(''), undefined])
      expect(outcome(script.apply(open(other)))).toBe('BadPassword');
    expect(script.state.sessions.get('p')!.password).toEqual(bytes('secret'));
  });

  it('is not what one without becomes', () => {
    const script = new TreeScript();
    script.apply(open());
    expect(outcome(script.apply(open(bytes('secret'))))).toBe('BadPassword');
    expect(outcome(script.apply(open()))).toBe('done');
  });

  it('keeps it over a snapshot', () => {
    const script = new TreeScript();
    script.apply(open(bytes('secret')));
    const restored = restoreSnapshot(takeSnapshot(script.state));
    expect(restored.sessions.get('p')!.password).toEqual(bytes('secret'));
    expect(restored.sessions.get('s1')!.password).toBeUndefined();
  });
});

describe('a request that its client never sends again', () => {
  it('is done each time it comes, and nothing is kept of it', () => {
    const script = new TreeScript();
    const command = { kind: 'create', path: '/n-', sequential: true, value: bytes(''), session: 's1', request: 0, settled: 0 } as const;
    expect(told(script.apply(command))).toEqual(['created /n-0000000000@1']);
    expect(told(script.apply(command))).toEqual(['created /n-0000000001@2']);
    expect(script.state.sessions.get('s1')!.replies.size).toBe(0);
  });
});

describe('a request that comes again', () => {
  it('is answered as the first time and changes nothing', () => {
    const script = new TreeScript();
    const command = { kind: 'create', path: '/n-', sequential: true, value: bytes(''), session: 's1', request: 1, settled: 1 } as const;
    const first = script.apply(command);
    const again = script.apply(command);
    expect(again).toEqual({ reply: first.reply, events: [] });
    expect(script.state.revision).toBe(1);
  });

  it('is refused as the first time, also when it would succeed by now', () => {
    const script = new TreeScript();
    const command = { kind: 'create', path: '/a/b', value: bytes(''), session: 's1', request: 1, settled: 1 } as const;
    expect(outcome(script.apply(command))).toBe('NoNode');
    script.create('/a', {}, 's2');
    expect(outcome(script.apply(command))).toBe('NoNode');
  });

  it('after its client had the reply is refused as stale, and its reply is no longer kept', () => {
    const script = new TreeScript();
    const command = (request: number, settled: number) =>
      ({ kind: 'create', path: `/r${request}`, value: bytes(''), session: 's1', request, settled }) as const;
    script.apply(command(1, 1));
    script.apply(command(2, 1));
    script.apply(command(3, 3));
    expect(outcome(script.apply(command(2, 1)))).toBe('StaleRequest');
    expect([...script.state.sessions.get('s1')!.replies.keys()]).toEqual([3]);
  });

  it('is told apart by session', () => {
    const script = new TreeScript();
    const command = { kind: 'create', path: '/a', value: bytes(''), request: 1, settled: 1 } as const;
    expect(outcome(script.apply({ ...command, session: 's1' }))).toBe('done');
    expect(outcome(script.apply({ ...command, session: 's2' }))).toBe('NodeExists');
  });

  it('cannot make the servers keep more than a bounded number of replies', () => {
    const script = new TreeScript();
    for (let request = 1; request <= 1_100; request++) {
      script.apply({ kind: 'set', path: '/', value: bytes(''), session: 's1', request, settled: 0 });
    }
    expect(script.state.sessions.get('s1')!.replies.size).toBe(1_024);
  });
});
