import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytes } from '../core/tree/script.ts';
import { Harness, leaderOf, type NuwaServer, text } from '../harness.ts';
import { ProcessGroup } from './process-group.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

const SLOW = { timeout: 120_000 };

describe('a server that lost its files', SLOW, () => {
  it('and is started with the flags of its group is refused, and no acknowledged change is lost', async () => {
    const group = await ProcessGroup.start(harness, 3);
    await group.whole();
    await group.kill('nuwa-1');
    const nuwa = await harness.client(group.addresses.slice(1));
    await nuwa.create('/acknowledged', bytes('by two and three'));
    await group.kill('nuwa-3');
    await rm(join(harness.dir, 'nuwa-3'), { recursive: true });

    // nuwa-2, which has the change, is away as well when the other two come.
    await group.kill('nuwa-2');
    await group.start('nuwa-1');
    await expect(group.start('nuwa-3')).rejects.toThrow('the process ended with 1');

    await group.start('nuwa-2');
    expect(text((await (await harness.client(group.addresses)).get('/acknowledged')).value)).toBe('by two and three');
  });

  it('while nobody answers waits, says for whom, and is refused when one does', async () => {
    const places = await harness.places(3);
    const servers = await Promise.all(places.map(({ id }) => harness.member(id, places)));
    await leaderOf(servers);
    for (const server of servers) await server.stop();
    await rm(join(harness.dir, 'nuwa-3'), { recursive: true });

    const third = await harness.member('nuwa-3', places);
    const status = () => harness.rpc(third.address).status({});
    expect(await status()).toMatchObject({
      part: 'waiting',
      problems: [expect.stringMatching(/not yet: nuwa-1 \(.*ECONNREFUSED.*\), nuwa-2/)],
    });
    await harness.member('nuwa-1', places);
    await vi.waitFor(async () => {
      const { part, problems } = await status();
      expect(problems).toEqual([expect.stringMatching(/nuwa-3 is refused by nuwa-1: the group lives already.*members remove/)]);
      expect(part).toBe('refused');
    }, 10_000);
    expect(await third.over).toMatch(/^nuwa-3 is refused by nuwa-1/);
    expect(third.group.leader).toBeUndefined();
  });

  it('and was added later neither votes nor stays when its group speaks to it', async () => {
    const [one, two] = await harness.places(2);
    const first = await harness.member('nuwa-1', [one!]);
    const second = await harness.member('nuwa-2', [], { address: two!.address });
    const { changeMembers } = harness.rpc(one!.address);
    await changeMembers({ kind: 'add', id: 'nuwa-2', address: two!.address });
    await vi.waitFor(() => changeMembers({ kind: 'promote', id: 'nuwa-2' }), 10_000);
    await second.stop();
    // With its files it comes back as the voter that it is: without its vote nobody leads.
    const back = await harness.member('nuwa-2', [], { address: two!.address });
    await leaderOf([first, back]);
    await back.stop();
    await rm(join(harness.dir, 'nuwa-2'), { recursive: true });

    const empty = await harness.member('nuwa-2', [], { address: two!.address });
    const problemsOfEmpty = async () => (await harness.rpc(empty.address).status({})).problems;
    await vi.waitFor(
      async () =>
        expect(await problemsOfEmpty()).toEqual([
          expect.stringMatching(/^nuwa-1 takes it for the voter nuwa-2, whose files these are not/),
        ]),
      10_000,
    );
    await first.group.stop();
    expect(empty.group.leader).not.toBe('nuwa-2');
  });

  it('and was added later is told so by its group, which goes on without its vote', async () => {
    const [one, two, three] = await harness.places(3);
    const first = await harness.member('nuwa-1', [one!]);
    const others: NuwaServer[] = [];
    const { changeMembers } = harness.rpc(one!.address);
    for (const [id, { address }] of [
      ['nuwa-2', two!],
      ['nuwa-3', three!],
    ] as const) {
      others.push(await harness.member(id, [], { address }));
      await changeMembers({ kind: 'add', id, address });
      await vi.waitFor(() => changeMembers({ kind: 'promote', id }), 10_000);
    }
    await others[1]!.stop();
    await rm(join(harness.dir, 'nuwa-3'), { recursive: true });
    const empty = await harness.member('nuwa-3', [], { address: three!.address });
    await vi.waitFor(async () => {
      const { part, problems } = await harness.rpc(empty.address).status({});
      expect(problems).toEqual([expect.stringMatching(/takes it for the voter nuwa-3, whose files these are not/)]);
      expect(part).toBe('voteless');
    }, 10_000);
    await leaderOf([first, others[0]!]);
  });
});

describe('a new group', SLOW, () => {
  it('begins when all of its servers are there, in whatever order and however often they were started', async () => {
    const places = await harness.places(3);
    const first = await harness.member('nuwa-1', places);
    const second = await harness.member('nuwa-2', places);
    expect([first.group.leader, second.group.leader]).toEqual([undefined, undefined]);
    await second.stop();
    const third = await harness.member('nuwa-3', places);
    expect((await harness.rpc(third.address).status({})).problems).toEqual([expect.stringContaining('nuwa-2')]);
    await leaderOf([first, await harness.member('nuwa-2', places), third]);
    expect((await harness.rpc(third.address).status({})).problems).toEqual([]);
  });

  it('whose servers were told of different ones does not begin', async () => {
    const places = await harness.places(3);
    await harness.member('nuwa-1', places);
    await expect(harness.member('nuwa-2', places.slice(0, 2))).rejects.toThrow(
      'nuwa-2 is refused by nuwa-1: they were not told the same group; nuwa-1 begins one of nuwa-1, nuwa-2, nuwa-3',
    );
  });
});
