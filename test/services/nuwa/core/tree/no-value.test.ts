import { describe, expect, it } from 'vitest';
import { restoreSnapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { nodeAt } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes, outcome, seen, TreeScript } from './script.ts';

const hasValue = ({ state }: TreeScript, path: string): boolean => nodeAt(state, path)!.hasValue;
const NONE = { value: bytes(''), noValue: true } as const;

describe('a node that was given no value', () => {
  it('has none, which is read as an empty one, until it is set', () => {
    const script = new TreeScript();
    script.create('/none', NONE);
    script.create('/empty');
    expect([hasValue(script, '/none'), hasValue(script, '/empty')]).toEqual([false, true]);
    expect(seen(script.state, '/none')!.value).toEqual(bytes(''));
    expect(nodeAt(script.state, '/none')!.valueBytes).toBe(0);
    script.write({ kind: 'set', path: '/none', value: bytes('') });
    script.write({ kind: 'set', path: '/empty', ...NONE });
    expect([hasValue(script, '/none'), hasValue(script, '/empty')]).toEqual([true, false]);
  });

  it('has none after a snapshot and after a transaction that was refused', () => {
    const script = new TreeScript();
    script.create('/none', NONE);
    const operations = [
      { kind: 'set', path: '/none', value: bytes('x') },
      { kind: 'check', path: '/not-there' },
    ] as const;
    expect(outcome(script.write({ kind: 'transaction', operations: [...operations] }))).toBe('Conflict');
    expect(hasValue(script, '/none')).toBe(false);
    const restored = restoreSnapshot(takeSnapshot(script.state));
    expect(nodeAt(restored, '/none')!.hasValue).toBe(false);
    expect(takeSnapshot(restored)).toEqual(takeSnapshot(script.state));
  });
});
