import { describe, expect, it } from 'vitest';
import { TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, VALUE_BYTES_MAX } from '../../../../../services/nuwa/contract.ts';
import type { Applied, Change, Check } from '../../../../../services/nuwa/core/tree/command.ts';
import { bytes, outcome, seen, TreeScript, told } from './script.ts';

const create = (path: string, options: object = {}): Change => ({ kind: 'create', path, value: bytes(''), ...options });
const set = (path: string, version?: number): Change => ({ kind: 'set', path, value: bytes('new'), version });
const remove = (path: string, options: object = {}): Change => ({ kind: 'delete', path, ...options });
const check = (path: string, guard: Partial<Check> = {}): Check => ({ kind: 'check', path, ...guard });

/** `/dir` with a child `a`, and `/mine`, an ephemeral of s1. Revision 3. */
function sample(): TreeScript {
  const script = new TreeScript();
  script.create('/dir');
  script.create('/dir/a');
  script.create('/mine', { ephemeral: true });
  return script;
}

function transact(script: TreeScript, operations: (Change | Check)[]): Applied {
  return script.write({ kind: 'transaction', operations });
}

describe('a transaction', () => {
  it('makes each change with a revision of its own, none between them, and tells of each operation', () => {
    const script = sample();
    const applied = transact(script, [
      check('/dir/a', { version: 0 }),
      set('/dir/a'),
      create('/dir/n-', { sequential: true }),
      remove('/mine'),
      create('/x/y', { parents: true }),
    ]);
    expect(told(applied)).toEqual(['changed /dir/a@4', 'created /dir/n-0000000000@5', 'deleted /mine@6', 'created /x@7', 'created /x/y@8']);
    expect(applied.reply).toEqual({
      kind: 'done',
      revision: 8,
      results: [{}, { version: 1 }, { path: '/dir/n-0000000000' }, {}, { path: '/x/y' }],
    });
  });

  it('lets each operation see what those before it did', () => {
    expect(
      outcome(
        transact(sample(), [
          create('/new'),
          create('/new/child'),
          check('/new', { createRevision: 4, version: 0 }),
          set('/new', 0),
          check('/new', { version: 1 }),
          remove('/new/child', { version: 0 }),
          remove('/new', { version: 1 }),
          check('/new', { absent: true }),
          create('/new'),
        ]),
      ),
    ).toBe('done');
  });

  it.each<[string, (Change | Check)[], string, number, string?]>([
    ['a node that is there already', [set('/dir'), create('/dir/a')], 'NodeExists', 1],
    ['a node that is not there', [set('/dir'), set('/dir/a'), set('/none')], 'NoNode', 2],
    ['another version', [set('/dir', 1)], 'BadVersion', 0],
    ['children', [create('/dir/b'), remove('/dir')], 'NotEmpty', 1],
    ['a bad path', [create('/ok'), create('bad')], 'BadPath', 1],
    ['a bad path in a check', [check('bad')], 'BadPath', 0],
    ['a check of a node that is not there', [set('/dir'), check('/none')], 'Conflict', 1, 'NoNode'],
    ['a check of another version', [set('/dir/a'), check('/dir/a', { version: 0 })], 'Conflict', 1, 'BadVersion'],
    ['a check of a node made anew', [check('/dir', { createRevision: 7 })], 'Conflict', 0, 'BadVersion'],
    ['a node that is to be absent', [check('/dir', { absent: true })], 'Conflict', 0, 'NodeExists'],
    ['a check that contradicts itself', [check('/none', { absent: true, version: 0 })], 'BadArguments', 0],
    ['an ephemeral parent', [create('/mine/child')], 'EphemeralChild', 0],
    ['an ACL without entries', [{ kind: 'setAcl', path: '/dir', acl: [] }], 'InvalidAcl', 0],
    ['a value too large', [set('/dir'), create('/big', { value: new Uint8Array(VALUE_BYTES_MAX + 1) })], 'ValueTooLarge', 1],
  ])('is refused whole for %s', (_, operations, code, operation, found) => {
    const script = sample();
    const applied = transact(script, operations);
    expect(applied).toMatchObject({ reply: { kind: 'refused', code, operation, revision: 3 }, events: [] });
    expect(applied.reply.kind === 'refused' && applied.reply.found).toBe(found);
    expect(script.state.revision).toBe(3);
    expect(seen(script.state, '/dir')).toMatchObject({ version: 0, childCount: 1 });
  });

  it('that is refused gives its counters back', () => {
    const script = sample();
    const sequential = create('/dir/n-', { sequential: true });
    expect(outcome(transact(script, [sequential, sequential, check('/none')]))).toBe('Conflict');
    expect(told(transact(script, [sequential, sequential]))).toEqual(['created /dir/n-0000000000@4', 'created /dir/n-0000000001@5']);
  });

  it('that is refused leaves ephemerals with their sessions', () => {
    const script = sample();
    const operations = [remove('/mine'), create('/other', { ephemeral: true }), create('/mine', { ephemeral: true }), check('/none')];
    expect(outcome(transact(script, operations))).toBe('Conflict');
    expect(told(script.apply({ kind: 'closeSession', session: 's1', why: 'closed' }))).toEqual(['deleted /mine@4']);
  });

  it('without operations is done and changes nothing', () => {
    expect(transact(sample(), [])).toEqual({ reply: { kind: 'done', revision: 3, results: [] }, events: [] });
  });

  it('has a bounded number of operations', () => {
    const operations = Array.from({ length: TRANSACTION_OPERATIONS_MAX }, () => check('/dir'));
    expect(outcome(transact(sample(), operations))).toBe('done');
    expect(outcome(transact(sample(), [...operations, check('/dir')]))).toBe('BadArguments');
  });

  it('has bounded values', () => {
    const value = new Uint8Array(VALUE_BYTES_MAX);
    const full = Array.from({ length: TRANSACTION_BYTES_MAX / VALUE_BYTES_MAX }, (_, i) => create(`/big${i}`, { value }));
    expect(outcome(transact(sample(), full))).toBe('done');
    expect(outcome(transact(sample(), [...full, create('/one', { value: bytes('1') })]))).toBe('ValueTooLarge');
  });

  it('that comes again is answered as the first time and changes nothing', () => {
    const script = sample();
    const command = {
      kind: 'transaction',
      operations: [create('/t-', { sequential: true }), set('/dir')],
      session: 's2',
      request: 9,
      settled: 9,
    } as const;
    const first = script.apply({ ...command, operations: [...command.operations] });
    const again = script.apply({ ...command, operations: [...command.operations] });
    expect(again).toEqual({ reply: first.reply, events: [] });
    expect(script.state.revision).toBe(5);
  });

  it('tells the stat of each node as it was right after its operation', () => {
    const script = sample();
    const { reply } = script.write({ kind: 'transaction', operations: [create('/t'), create('/t/a'), set('/t'), check('/t')] }, 's1', {
      wantStat: true,
    });
    expect(reply).toMatchObject({
      results: [
        { stat: { createRevision: 4, version: 0, childCount: 0, childVersion: 0, childRevision: 4 } },
        { stat: { createRevision: 5, valueBytes: 0 } },
        { stat: { createRevision: 4, modifyRevision: 6, version: 1, valueBytes: 3, childCount: 1, childVersion: 1, childRevision: 5 } },
        {},
      ],
    });
  });
});
