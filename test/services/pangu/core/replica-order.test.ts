import { expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { distanceOf, orderReplicas } from '../../../../services/pangu/core/replica-order.ts';

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

it('asks the nearer ones first: of the same machine, of the same rack, then others', () => {
  const places = [
    { id: 'far', rack: 'r2' },
    { id: 'rack', rack: 'r1', machine: 'm2' },
    { id: 'machine', rack: 'r1', machine: 'm1' },
    { id: 'own', rack: 'r1', machine: 'm1' },
  ];
  const replicas = places.map((place) => ({ node: place.id, distance: distanceOf(places[3]!, place) }));
  for (let seed = 0; seed < 20; seed++) {
    const order = orderReplicas(replicas, { own: 'own', failed: (node) => node === 'own', random: seededRandom(seed) });
    expect(order.map(({ node }) => node)).toEqual(['machine', 'rack', 'far', 'own']);
  }
});
