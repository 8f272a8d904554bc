import { describe, expect, it } from 'vitest';
import { type Acl, OPEN_ACL, PERMISSIONS } from '../../../../../services/nuwa/contract.ts';
import { ACL_ENTRIES_MAX, allows } from '../../../../../services/nuwa/core/tree/acl.ts';
import type { Change, Check } from '../../../../../services/nuwa/core/tree/command.ts';
import { EventRing, type TreeEvent } from '../../../../../services/nuwa/core/tree/event-ring.ts';
import { nodeAt } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes, outcome, TreeScript, told } from './script.ts';

const ALICE = 'digest:alice:hash';
const BOB = 'digest:bob:hash';
const acl = (permissions: number, who: 'anyone' | 'alice' = 'alice'): Acl => [
  who === 'anyone' ? { permissions, scheme: 'world', id: 'anyone' } : { permissions, scheme: 'digest', id: 'alice:hash' },
];

/** `/dir` with this ACL, and under it a child `a`, open to everybody. */
function under(permissions: number): TreeScript {
  const script = new TreeScript();
  script.create('/dir', { acl: acl(permissions) });
  script.create('/dir/a');
  return script;
}

const ask = (script: TreeScript, change: Change, identities?: string[]): string => outcome(script.write(change, 's1', { identities }));
const operations: Record<string, Change | Check> = {
  'making a child': { kind: 'create', path: '/dir/b', value: bytes('') },
  'making a child with parents': { kind: 'create', path: '/dir/x/y', value: bytes(''), parents: true },
  'removing a child': { kind: 'delete', path: '/dir/a' },
  'removing it with its children': { kind: 'delete', path: '/dir', recursive: true },
  setting: { kind: 'set', path: '/dir', value: bytes('new') },
  'setting the ACL': { kind: 'setAcl', path: '/dir', acl: OPEN_ACL },
  checking: { kind: 'check', path: '/dir' },
};

describe('a permission', () => {
  it.each([
    ['making a child', PERMISSIONS.create],
    ['making a child with parents', PERMISSIONS.create],
    ['removing a child', PERMISSIONS.delete],
    ['removing it with its children', PERMISSIONS.delete],
    ['setting', PERMISSIONS.write],
    ['setting the ACL', PERMISSIONS.admin],
    ['checking', PERMISSIONS.read],
  ])('for %s is this one, of the node that ZooKeeper asks', (name, permission) => {
    const operation = operations[name]!;
    const outcomeFor = (permissions: number, identities?: string[]): string =>
      outcome(under(permissions).write({ kind: 'transaction', operations: [operation] }, 's1', { identities }));
    expect(outcomeFor(permission, [ALICE])).toBe('done');
    expect(outcomeFor(PERMISSIONS.all - permission, [ALICE])).toBe('NoAuth');
    expect(outcomeFor(PERMISSIONS.all, [BOB])).toBe('NoAuth');
    expect(outcomeFor(PERMISSIONS.all, [])).toBe('NoAuth');
    expect(outcomeFor(PERMISSIONS.all, [BOB, ALICE])).toBe('done');
    expect(outcomeFor(0), 'a native caller').toBe('done');
  });

  it('is asked of the parent where a node goes, not of the node', () => {
    const script = new TreeScript();
    script.create('/dir');
    script.create('/dir/a', { acl: acl(0) });
    expect(ask(script, { kind: 'delete', path: '/dir/a' }, [])).toBe('done');
  });

  it('to replace an ephemeral is both, to make and to remove', () => {
    const replace: Change = { kind: 'create', path: '/dir/e', value: bytes(''), ephemeral: true, replace: true };
    const outcomeFor = (permissions: number): string => {
      const script = under(permissions);
      script.create('/dir/e', { ephemeral: true }, 's2');
      return ask(script, replace, [ALICE]);
    };
    expect(outcomeFor(PERMISSIONS.create | PERMISSIONS.delete)).toBe('done');
    expect(outcomeFor(PERMISSIONS.create)).toBe('NoAuth');
    expect(outcomeFor(PERMISSIONS.delete)).toBe('NoAuth');
  });

  it('that a node below does not give keeps the whole tree from being removed', () => {
    const script = new TreeScript();
    script.create('/dir/a/b', { parents: true });
    script.write({ kind: 'setAcl', path: '/dir/a', acl: acl(PERMISSIONS.all) });
    expect(ask(script, { kind: 'delete', path: '/dir', recursive: true }, [])).toBe('NoAuth');
    expect(ask(script, { kind: 'delete', path: '/dir', recursive: true }, [ALICE])).toBe('done');
  });

  it('is not asked when a session takes its ephemerals with it', () => {
    const script = under(0);
    script.create('/dir/e', { ephemeral: true });
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'expired' }))).toEqual(['deleted /dir/e@4']);
  });

  it('to read is told to those who answer reads', () => {
    const { state } = under(PERMISSIONS.read);
    const node = nodeAt(state, '/dir')!;
    expect(allows(node, PERMISSIONS.read, [ALICE])).toBe(true);
    expect(allows(node, PERMISSIONS.read, [BOB])).toBe(false);
    expect(allows(node, PERMISSIONS.write, [ALICE])).toBe(false);
    expect(allows(node, PERMISSIONS.write, undefined)).toBe(true);
    expect(allows(nodeAt(state, '/dir/a')!, PERMISSIONS.all, [])).toBe(true);
  });
});

describe('an ACL', () => {
  it.each<[string, Acl]>([
    ['no entries', []],
    ['an unknown scheme', [{ permissions: 31, scheme: 'ip', id: '127.0.0.1' }]],
    ['somebody of the world', [{ permissions: 31, scheme: 'world', id: 'me' }]],
    ['a digest without a hash', [{ permissions: 31, scheme: 'digest', id: 'alice' }]],
    ['a digest with an empty hash', [{ permissions: 31, scheme: 'digest', id: 'alice:' }]],
    ['unknown permissions', [{ permissions: 32, scheme: 'world', id: 'anyone' }]],
    ['half a permission', [{ permissions: 0.5, scheme: 'world', id: 'anyone' }]],
    ['one good entry and a bad one', [...OPEN_ACL, { permissions: 31, scheme: 'auth', id: '' }]],
    ['more entries than allowed', Array.from({ length: ACL_ENTRIES_MAX + 1 }, () => OPEN_ACL[0]!)],
  ])('with %s is refused', (_, bad) => {
    const script = new TreeScript();
    expect(outcome(script.create('/a', { acl: bad }))).toBe('InvalidAcl');
    script.create('/b');
    expect(outcome(script.write({ kind: 'setAcl', path: '/b', acl: bad }))).toBe('InvalidAcl');
    expect(nodeAt(script.state, '/b')).toMatchObject({ version: 0 });
  });

  it('is open unless given, and keeps its entries in order, each once', () => {
    const script = new TreeScript();
    const given: Acl = [...acl(3), ...acl(1, 'anyone'), ...acl(3)];
    script.create('/a');
    script.create('/b', { acl: given });
    expect(nodeAt(script.state, '/a')!.acl).toEqual(OPEN_ACL);
    expect(nodeAt(script.state, '/b')!.acl).toEqual([...acl(3), ...acl(1, 'anyone')]);
  });

  it('is set with a version of its own; the value, its version and the revision stay', () => {
    const script = new TreeScript();
    script.create('/a', { value: bytes('v') });
    const set = (aclVersion?: number) => script.write({ kind: 'setAcl', path: '/a', acl: acl(31), aclVersion }, 's1', { wantStat: true });
    expect(set(0)).toMatchObject({
      reply: { version: 1, revision: 1, stat: { aclVersion: 1, version: 0, modifyRevision: 1 } },
      events: [],
    });
    expect(outcome(set(0))).toBe('BadVersion');
    expect(set().reply).toMatchObject({ version: 2 });
    expect(outcome(script.write({ kind: 'setAcl', path: '/none', acl: acl(31) }))).toBe('NoNode');
  });

  it('stays what makes a node ephemeral, a container or short-lived', () => {
    const script = new TreeScript();
    script.create('/e', { ephemeral: true });
    script.create('/c', { container: true });
    script.create('/t', { ttlMs: 5_000 });
    for (const path of ['/e', '/c', '/t']) script.write({ kind: 'setAcl', path, acl: acl(31) });
    expect(nodeAt(script.state, '/e')!.ephemeralOwner).toBe('s1');
    expect(nodeAt(script.state, '/c')!.container).toBe(true);
    expect(nodeAt(script.state, '/t')!.ttlMs).toBe(5_000);
    for (const path of ['/e', '/c', '/t']) script.write({ kind: 'setAcl', path, acl: OPEN_ACL });
    expect(allows(nodeAt(script.state, '/e')!, PERMISSIONS.write, [])).toBe(true);
    expect(nodeAt(script.state, '/e')).toMatchObject({ ephemeralOwner: 's1', aclVersion: 2 });
  });

  it('that equals another is the same object', () => {
    const script = new TreeScript();
    script.create('/a', { acl: acl(7) });
    script.create('/b', { acl: acl(7) });
    expect(nodeAt(script.state, '/a')!.acl).toBe(nodeAt(script.state, '/b')!.acl);
  });
});

describe('changes of a node whose ACL is not open', () => {
  it('carry it as it was then, for the door that asks, and not to those who watch without being asked', () => {
    const script = new TreeScript();
    const applied = [
      script.create('/open'),
      script.create('/closed', { acl: acl(PERMISSIONS.all) }),
      script.write({ kind: 'set', path: '/closed', value: bytes('x') }),
      script.write({ kind: 'delete', path: '/closed' }),
    ];
    const events = applied.flatMap((each) => each.events as TreeEvent[]);
    expect(events.map((each) => each.acl)).toEqual([undefined, acl(31), acl(31), acl(31)]);
    const ring = new EventRing({ eventsMax: 10, bytesMax: 1_000 });
    for (const event of events) ring.push(event);
    expect(ring.after(0, '/', true, 1_000).events.map((each) => 'acl' in each)).toEqual([false, false, false, false]);
    expect(ring.after(0, '/', true, 1_000).events).toMatchObject(events.map(({ kind, path, revision }) => ({ kind, path, revision })));
    // A snapshot keeps them whole: its tree goes on at another door.
    expect(ring.newest(1_000)).toEqual(events);
  });
});
