import { expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { orderReplicas } from '../../../../services/pangu/core/replica-order.ts';

it('asks the own node first, the others in an order that varies, and nodes that failed lately last', () => {
  const replicas = ['a', 'b', 'c', 'd'].map((node) => ({ node }));
  const seen = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const order = orderReplicas(replicas, { own: 'c', failed: (node) => node === 'a', random: seededRandom(seed) }).map(({ node }) => node);
    expect([order[0], order[3]]).toEqual(['c', 'a']);
    seen.add(order[1]!);
  }
  expect(seen).toEqual(new Set(['b', 'd']));
});
