import { expect, test } from 'vitest';
import type { Logger } from '../../../services/base/log.ts';
import { Repeats } from '../../../services/base/repeats.ts';

function logged(): { lines: [Record<string, unknown>, string][]; log: Logger } {
  const lines: [Record<string, unknown>, string][] = [];
  const note = (fields: Record<string, unknown>, event: string): void => void lines.push([fields, event]);
  return { lines, log: { info: note, warn: note } as unknown as Logger };
}

test('what repeats itself is told three times, and then how often it was', () => {
  const { lines, log } = logged();
  const repeats = new Repeats('door.knocked', log);
  for (let i = 0; i < 9_000; i++) repeats.tell('half a frame', 'warn', { peer: `p${i}` });
  repeats.tell('no hello', 'warn', { peer: 'q' });
  expect(lines.map(([{ peer }]) => peer)).toEqual(['p0', 'p1', 'p2', 'q']);
  repeats.flush();
  expect(lines.slice(4)).toEqual([[{ peer: 'p8999', more: 8_997 }, 'door.knocked and 8997 more']]);
  repeats.flush();
  expect(lines).toHaveLength(5);
  repeats.tell('half a frame', 'warn', { peer: 'again' });
  expect(lines).toHaveLength(6);
});

test('however many kinds there are, the lines between two flushes have an end', () => {
  const { lines, log } = logged();
  const repeats = new Repeats('door.knocked', log);
  for (let i = 0; i < 2_000; i++) repeats.tell(`kind ${i}`, 'warn', { i });
  expect(lines).toHaveLength(500);
  repeats.flush();
  expect(lines.slice(500)).toEqual([[{ more: 1_500 }, 'door.knocked by others, 1500 times']]);
});
