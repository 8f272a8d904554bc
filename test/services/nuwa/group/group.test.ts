import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StorageOptions } from '../../../../services/nuwa/log/port.ts';
import { bytes } from '../core/tree/script.ts';
import { Harness, leaderOf, type NuwaServer, type Place } from '../harness.ts';
import { MemoryStorage } from './memory-storage.ts';

let harness: Harness;
/** By the server's name. */
let disks: Map<string, MemoryStorage>;

beforeEach(() => {
  harness = new Harness();
  disks = new Map();
});
afterEach(() => harness.close());

const inMemory = ({ id }: Pick<Place, 'id'>) => ({
  open: async ({ initialConfig }: StorageOptions) => {
    const disk = disks.get(id) ?? new MemoryStorage(initialConfig);
    disks.set(id, disk);
    return disk;
  },
});

const group = (size: number): Promise<NuwaServer[]> => harness.group(size, inMemory);
const addresses = (servers: readonly NuwaServer[]): string[] => servers.map(({ address }) => address);

describe('a server of a group', () => {
  it('answers changes and linearizable reads, whoever leads', async () => {
    const servers = await group(3);
    for (const [i, { address }] of servers.entries()) {
      const nuwa = await harness.client(address);
      await nuwa.create(`/n${i}`, bytes(`${i}`));
      for (const other of servers) {
        const { node } = await harness.rpc(other.address).get({ path: `/n${i}` });
        expect(Buffer.from(node.value).toString()).toBe(`${i}`);
      }
    }
  });

  it('tells how it stands, and the leader how the others do', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const nuwa = await harness.client(leader.address);
    await nuwa.create('/n', bytes(''), { ephemeral: true });
    const status = await harness.rpc(leader.address).status({});
    expect(status).toMatchObject({ id: leader.group.id, role: 'leader', leader: leader.group.id, nodes: 1, sessions: 1, writable: true });
    expect(status.members.map(({ id, role }) => `${id} ${role}`)).toEqual(['nuwa-1 voter', 'nuwa-2 voter', 'nuwa-3 voter']);
    expect(status.progress.map(({ active, state }) => `${active} ${state}`)).toEqual(['true replicate', 'true replicate']);
    const follower = servers.find((server) => server !== leader)!;
    expect(await harness.rpc(follower.address).status({})).toMatchObject({ role: 'follower', leader: leader.group.id, progress: [] });
  });

  it('that stops while it leads hands over first, and the others serve on', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const others = servers.filter((server) => server !== leader);
    const nuwa = await harness.client(addresses(others));
    const { term } = leader.group.status();
    await leader.stop();
    const next = await leaderOf(others);
    // One term on: nobody had to find out by silence and run twice.
    expect(next.group.status().term).toBe(term + 1);
    await nuwa.create('/after', bytes(''));
  });

  it('says who leads to whoever wants the group changed', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const follower = servers.find((server) => server !== leader)!;
    const details = { leader: leader.group.id, address: leader.address };
    const rpc = harness.rpc(follower.address);
    await expect(rpc.changeMembers({ kind: 'remove', id: 'nuwa-3' })).rejects.toMatchObject({ code: 'NotLeader', details });
    await expect(rpc.transferLeadership({ to: 'nuwa-3' })).rejects.toMatchObject({ code: 'NotLeader', details });
    const ofLeader = harness.rpc(leader.address);
    await expect(ofLeader.changeMembers({ kind: 'remove', id: 'nuwa-9' })).rejects.toMatchObject({ code: 'BadMembers' });
    await expect(ofLeader.changeMembers({ kind: 'add', id: 'nuwa-9' })).rejects.toMatchObject({ code: 'BadMembers' });
    expect(await ofLeader.transferLeadership({ to: follower.group.id })).toEqual({ leader: follower.group.id });
    expect((await leaderOf(servers)).group.id).toBe(follower.group.id);
  });

  it('is added to a group that is there, promoted, and removed again', async () => {
    const servers = await group(1);
    const first = servers[0]!;
    const nuwa = await harness.client(first.address);
    await nuwa.create('/n', bytes('before'));
    const [place] = await harness.places(1);
    const second = await harness.member('nuwa-2', [], { ...inMemory({ id: 'nuwa-2' }), address: place!.address });
    const rpc = harness.rpc(first.address);
    await rpc.changeMembers({ kind: 'add', id: 'nuwa-2', address: second.address });
    await expect.poll(() => second.group.state.nodes).toBe(1);
    await expect
      .poll(() => rpc.changeMembers({ kind: 'promote', id: 'nuwa-2' }).catch(String))
      .toMatchObject({
        members: [{ id: 'nuwa-1' }, { id: 'nuwa-2', role: 'voter', address: second.address }],
      });
    expect((await harness.rpc(second.address).get({ path: '/n' })).node.path).toBe('/n');
    await rpc.changeMembers({ kind: 'remove', id: 'nuwa-2' });
    await second.stop();
    await nuwa.set('/n', bytes('alone again'));
  });

  it('that answers elsewhere than before is found there, and the group is told', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const places = servers.map(({ group, address }) => ({ id: group.id, address }));
    const moving = servers.find((server) => server !== leader)!;
    await moving.stop();
    const [elsewhere] = await harness.places(1);
    const moved = await harness.member(moving.group.id, places, { ...inMemory(moving.group), address: elsewhere!.address });
    const known = (): string | undefined => leader.group.config.members.find(({ id }) => id === moving.group.id)?.address;
    await expect.poll(known, { timeout: 10_000 }).toBe(moved.address);
    const nuwa = await harness.client(moved.address);
    await nuwa.create('/n', bytes(''));
  });
});

describe('a server that was away for longer than the others keep the log', () => {
  it('takes over a snapshot of the leader, goes on from there, and its watchers are told what they missed', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const places = servers.map(({ group, address }) => ({ id: group.id, address }));
    const away = servers.find((server) => server !== leader)!;
    const nuwa = await harness.client(leader.address, { ttlMs: 60_000 });
    await nuwa.create('/n', bytes('before'));
    await away.stop();
    const value = new Uint8Array(1_000_000);
    for (let i = 0; i < 20; i++) await nuwa.set('/n', value.fill(i));
    const { index, bytes: size } = await harness.rpc(leader.address).snapshot({ fresh: true });
    expect([index, size > 1_000_000]).toEqual([leader.group.state.index, true]);
    expect(await harness.rpc(leader.address).snapshot({ fresh: true })).toMatchObject({ index });

    const back = await harness.member(away.group.id, places, inMemory(away.group));
    await expect.poll(() => back.group.state.index, { timeout: 10_000 }).toBeGreaterThanOrEqual(index);
    expect(disks.get(back.group.id)!.installed).toBe(1);
    const rpc = harness.rpc(back.address);
    expect((await rpc.get({ path: '/n' })).node.version).toBe(20);
    const { events } = await rpc.poll({ path: '/n', recursive: false, afterRevision: 1, waitMs: 0 });
    expect(events[0]).toMatchObject({ kind: 'changed', revision: 2 });
    await nuwa.set('/n', bytes('after'));
    expect(Buffer.from((await rpc.get({ path: '/n' })).node.value).toString()).toBe('after');
    await back.stop();
    const again = await harness.member(away.group.id, places, inMemory(away.group));
    await expect.poll(() => again.group.state.revision).toBe(leader.group.state.revision);
  });

  it('makes snapshots by itself when its log is long', async () => {
    const server = await harness.server(inMemory({ id: 'alone' }));
    const disk = disks.get('alone')!;
    disk.logBytesMax = 1_000_000;
    const nuwa = await harness.client(server.address);
    await nuwa.create('/n', bytes(''));
    for (let i = 0; i < 5; i++) await nuwa.set('/n', new Uint8Array(500_000));
    await expect.poll(() => disk.newestSnapshot().index).toBeGreaterThan(4);
    expect(disk.logBytes).toBeLessThan(1_000_001);
    await nuwa.set('/n', bytes('x'));
    expect((await harness.rpc(server.address).status({})).snapshotIndex).toBe(disk.newestSnapshot().index);
  });
});

describe('a server that is cut off from its group', () => {
  it('sends watchers to others, and they miss nothing', async () => {
    const servers = await group(3);
    const [one, two, three] = servers;
    const rpc = harness.rpc(one!.address);
    const poll = () => rpc.poll({ path: '/n', recursive: false, afterRevision: 0, waitMs: 20_000 }, { timeoutMs: 3_000 });
    const polling = (async () => {
      for (;;) await poll();
    })();
    const nuwa = await harness.client(addresses(servers), { ttlMs: 60_000 });
    await rpc.get({ path: '/' });
    await Promise.all([two!.stop(), three!.stop()]);
    await expect(polling).rejects.toMatchObject({ code: 'Unavailable', details: { notRun: true } });
    expect((await rpc.get({ path: '/', stale: true })).node.path).toBe('/');
    const places = servers.map(({ group, address }) => ({ id: group.id, address }));
    await harness.member(two!.group.id, places, inMemory(two!.group));
    await nuwa.create('/n', bytes(''));
    expect((await poll()).events).toHaveLength(1);
  });
});

describe('a server whose disk fails', () => {
  const failed = new Error('EIO: the disk is gone');

  it('takes part no more and says so; the others elect and serve on, and it serves stale reads', async () => {
    const servers = await group(3);
    const leader = await leaderOf(servers);
    const others = servers.filter((server) => server !== leader);
    const nuwa = await harness.client(addresses(others));
    await nuwa.create('/n', bytes('before'));
    disks.get(leader.group.id)!.fail(failed);
    const rpc = harness.rpc(leader.address);
    const broken = rpc.openSession({ session: 'at-the-broken-one', ttlMs: 1_000, creator: 'test' }, { timeoutMs: 500 });
    await expect(broken).rejects.toMatchObject({ code: expect.stringMatching(/Unavailable|DeadlineExceeded/) });
    await leaderOf(others);
    await nuwa.set('/n', bytes('after'));
    const status = await rpc.status({});
    expect(status).toMatchObject({ writable: false, role: 'follower' });
    expect(status.leader).toBeUndefined();
    await expect(rpc.get({ path: '/n' }, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'Unavailable' });
    expect((await rpc.get({ path: '/n', stale: true })).node.path).toBe('/n');
  });

  it('that is all its group refuses changes for good, and says why', async () => {
    const server = await harness.server(inMemory({ id: 'alone' }));
    const nuwa = await harness.client(server.address, { ttlMs: 60_000 });
    await nuwa.create('/n', bytes('before'));
    disks.get('alone')!.fail(failed);
    const rpc = harness.rpc(server.address);
    const id = { session: nuwa.session.id, request: 9, settled: 1 };
    await expect(rpc.set({ ...id, path: '/n', value: bytes('never') }, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'Unwritable' });
    const { writes } = disks.get('alone')!;
    await expect(rpc.set({ ...id, request: 10, path: '/n', value: bytes('never') }, { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'Unwritable',
    });
    expect(disks.get('alone')!.writes).toBe(writes);
    expect(Buffer.from((await rpc.get({ path: '/n', stale: true })).node.value).toString()).toBe('before');
  });
});

describe('a group of one', () => {
  it('is ready when it has started, within milliseconds', async () => {
    const startMs = performance.now();
    const server = await harness.server(inMemory({ id: 'alone' }));
    const tookMs = performance.now() - startMs;
    expect(server.group.status().role).toBe('leader');
    // An election timeout is a second.
    expect(tookMs).toBeLessThan(800);
    await harness.rpc(server.address).openSession({ session: 's', ttlMs: 1_000, creator: 'test' });
  });
});

describe('what is too large for the group', () => {
  it('is refused before it goes into the log', async () => {
    const server = await harness.server(inMemory({ id: 'alone' }));
    const rpc = harness.rpc(server.address);
    await rpc.openSession({ session: 's', ttlMs: 60_000, creator: 'test' });
    const { lastIndex } = server.group.status();
    const operations = Array.from({ length: 1_000 }, () => ({
      kind: 'check' as const,
      path: `/${'é'.repeat(2_000)}/${'k'.repeat(90)}/${'é'.repeat(600)}`,
    }));
    await expect(rpc.transact({ session: 's', request: 1, settled: 0, operations })).rejects.toMatchObject({ code: 'ValueTooLarge' });
    expect(server.group.status().lastIndex).toBe(lastIndex);
  });
});
