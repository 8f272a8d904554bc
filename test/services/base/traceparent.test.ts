import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { currentTrace, withTrace } from '../../../services/base/trace.ts';
import { childTrace, traceIdOf, traceOfRun } from '../../../services/base/traceparent.ts';

const RUN = '0199f2b4-3c1d-7a5e-8f00-112233445566';

describe('a traceparent', () => {
  it('is that of the W3C', () => {
    expect(traceIdOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    for (const none of [
      undefined,
      '',
      '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
      '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
      '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01',
      '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ',
    ])
      expect(traceIdOf(none), String(none)).toBeUndefined();
  });

  it('of a run is found by the id of the run', () => {
    expect(traceIdOf(traceOfRun(RUN))).toBe(RUN.replaceAll('-', ''));
    expect(traceOfRun('no-uuid')).toBeUndefined();
  });

  it('has parts that belong to the same trace, are the same each time and differ from each other', () => {
    const root = traceOfRun(RUN)!;
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 50 }), (parts) => {
        const children = parts.map((part) => childTrace(root, part));
        expect(new Set(children.map(traceIdOf))).toEqual(new Set([traceIdOf(root)]));
        expect(new Set(children).size).toBe(parts.length);
        expect(parts.map((part) => childTrace(root, part))).toEqual(children);
      }),
    );
  });
});

describe('the trace of running code', () => {
  it('goes along with what it waits for, and with nothing else', async () => {
    const trace = traceOfRun(RUN)!;
    const seen = await Promise.all([
      withTrace(trace, async () => {
        await new Promise(setImmediate);
        return currentTrace();
      }),
      (async () => {
        await new Promise(setImmediate);
        return currentTrace();
      })(),
      withTrace('nonsense', async () => currentTrace()),
    ]);
    expect(seen).toEqual([trace, undefined, undefined]);
  });
});
