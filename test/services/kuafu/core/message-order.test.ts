import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageOrder, NUMBERS, type Place } from '../../../../services/kuafu/core/message-order.ts';

/** A script: numbers are data, `e3` is an end after three messages. */
function run(script: (number | string)[]): Place[] {
  const order = new MessageOrder();
  return script.map((each) => (typeof each === 'number' ? order.stepData(each) : order.stepEnd(Number(each.slice(1)))));
}

test.each<[string, (number | string)[], Place[]]>([
  ['in order', [0, 1, 2, 'e3'], ['next', 'next', 'next', 'next']],
  ['an end at once', ['e0'], ['next']],
  ['one twice', [0, 0, 1, 0, 1], ['next', 'again', 'next', 'again', 'again']],
  ['one lost', [0, 2], ['next', 'gap']],
  ['the last one lost', [0, 'e2'], ['next', 'gap']],
  ['the end twice', [0, 'e1', 'e1'], ['next', 'next', 'again']],
  ['another end', [0, 'e1', 'e2'], ['next', 'next', 'late']],
  ['an end before what came', [0, 1, 'e1'], ['next', 'next', 'late']],
  ['a message that came before the end, once more', [0, 'e1', 0], ['next', 'next', 'again']],
  ['a message after the end', [0, 'e1', 1], ['next', 'next', 'late']],
  ['a message long before', [0, NUMBERS - 1], ['next', 'again']],
])('%s', (_name, script, places) => {
  expect(run(script)).toEqual(places);
});

test('numbers begin again after 65,535', () => {
  const order = new MessageOrder();
  const places = new Set(Array.from({ length: NUMBERS + 10 }, (_, i) => order.stepData(i % NUMBERS)));
  expect([...places]).toEqual(['next']);
  expect(order.stepData(9)).toBe('again');
  expect(order.stepEnd(10)).toBe('next');
});

test('whatever comes doubled is taken once and in order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 300 }), (repeats) => {
      const order = new MessageOrder();
      const taken: number[] = [];
      for (const [i, again] of repeats.entries()) {
        for (let back = 0; back <= Math.min(again, i); back++) if (order.stepData(i - back) === 'next') taken.push(i - back);
      }
      expect(taken).toEqual(repeats.map((_, i) => i));
    }),
  );
});
