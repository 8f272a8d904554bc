import { describe, expect, it } from 'vitest';
import { VALUE_BYTES_MAX } from '../../../../../services/nuwa/contract.ts';
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

  it('hands an ephemeral over to the session that replaces it', () => {
    const script = sample();
    script.create('/mine', { ephemeral: true, replace: true, value: bytes('two') }, 's2');
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'expired' }))).toEqual([]);
    expect(seen(script.state, '/mine')).toMatchObject({ ephemeralOwner: 's2', value: bytes('two') });
    expect(told(script.apply({ kind: 'closeSession', session: 's2', why: 'expired' }))).toEqual(['deleted /mine@7']);
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
