import { expect, it } from 'vitest';
import { Gather } from '../../../services/base/gather.ts';

/** Work that ends when the test says so. */
function gatherByHand({ atOnce, most }: { atOnce: number; most: number }) {
  const begun: { items: number[]; end(): void; fail(error: Error): void }[] = [];
  const gather = new Gather<number, string>({
    work: (items) =>
      new Promise((resolve, reject) => {
        begun.push({ items, end: () => resolve(items.map((item) => `done ${item}`)), fail: reject });
      }),
    alone: async (item, error) => `${item} alone: ${(error as Error).message}`,
    atOnce,
    most,
  });
  return { gather, begun, ask: (...items: number[]) => Promise.all(items.map((item) => gather.ask(item))) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('does what is asked in one turn together, and gives each its own result', async () => {
  const { begun, ask } = gatherByHand({ atOnce: 1, most: 10 });
  const results = ask(1, 2, 3);
  await turn();
  expect(begun.map(({ items }) => items)).toEqual([[1, 2, 3]]);
  begun[0]!.end();
  expect(await results).toEqual(['done 1', 'done 2', 'done 3']);
});

it('keeps what comes meanwhile for the next, so many at once and so many together at most', async () => {
  const { begun, ask } = gatherByHand({ atOnce: 2, most: 2 });
  const first = ask(1, 2, 3, 4, 5, 6, 7);
  await turn();
  await turn();
  expect(begun.map(({ items }) => items)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  begun[1]!.end();
  await turn();
  await turn();
  expect(begun.map(({ items }) => items).slice(2)).toEqual([[5, 6]]);
  begun[0]!.end();
  begun[2]!.end();
  await turn();
  await turn();
  begun[3]!.end();
  expect(await first).toHaveLength(7);
});

it('leaves each to itself when their work failed together, and goes on with the next', async () => {
  const { begun, ask } = gatherByHand({ atOnce: 1, most: 10 });
  const failing = ask(1, 2);
  await turn();
  const next = ask(3);
  begun[0]!.fail(new Error('no'));
  expect(await failing).toEqual(['1 alone: no', '2 alone: no']);
  await turn();
  begun[1]!.end();
  expect(await next).toEqual(['done 3']);
});
