import { afterEach, expect, test } from 'vitest';
import { Harness, leaderOf } from './harness.ts';

const harness = new Harness();
afterEach(() => harness.close());

test('a member whose name or address is none is refused, and even in the log it stops nobody', async () => {
  const servers = await harness.group(3);
  const leader = await leaderOf(servers);
  const rpc = harness.rpc(leader.address);
  for (const address of ['tcp://notaddr', 'tcp://a:0', 'tcp://a:99999', 'nuwa://x/y/', ''])
    for (const kind of ['add', 'move'] as const)
      await expect(
        rpc.changeMembers({ kind, id: kind === 'add' ? 'nuwa-9' : 'nuwa-3', address }),
        `${kind} ${address}`,
      ).rejects.toMatchObject({
        code: 'BadMembers',
      });
  for (const id of ['x/../y', 'A', '-'])
    await expect(rpc.changeMembers({ kind: 'add', id, address: 'tcp://127.0.0.1:5' })).rejects.toMatchObject({ code: 'BadMembers' });

  // Before an entry of its term is committed a leader takes no change of the group.
  await rpc.get({ path: '/' });
  await leader.group.changeMembers({ kind: 'add', id: 'nuwa-9', address: 'nonsense' });
  const client = await harness.client(servers.map(({ address }) => address));
  await client.create('/still', new Uint8Array(0));
  expect((await client.get('/still')).path).toBe('/still');
});
