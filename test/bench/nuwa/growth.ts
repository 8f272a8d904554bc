/**
 * What growth costs: a tree of many small nodes is loaded, saved, restarted with and brought to a new server, while memory and the
 * time of other changes are watched.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Row } from '../main.ts';
import type { Latencies } from './latencies.ts';
import type { NuwaGroup } from './nuwa-group.ts';
import { type OwnShare, ownLoad, shared } from './own-load.ts';
import { memoryMiB } from './processes.ts';

const LOAD_IN_FLIGHT = 1_024;
const PROCESSES = 3;
/** The changes whose time is watched while a snapshot is taken: enough to be never idle, few enough to leave the processors room. */
const STEADY_IN_FLIGHT = 16;
const SNAPSHOT_MS_MAX = 600_000;

export async function growth(group: NuwaGroup, nodes: number, seconds: number, say: (line: string) => void): Promise<Row[]> {
  const base: OwnShare = {
    addresses: group.addresses,
    operation: 'load',
    clients: 3,
    inFlight: 0,
    seconds,
    warmUpSeconds: 0.5,
    valueBytes: 100,
  };
  say(`loading ${nodes} nodes of ${base.valueBytes} bytes …`);
  const per = Math.ceil(nodes / PROCESSES);
  const loading = Array.from({ length: PROCESSES }, (_, i) => ({
    ...base,
    inFlight: Math.ceil(LOAD_IN_FLIGHT / PROCESSES),
    from: i * per,
    to: Math.min(nodes, (i + 1) * per),
  }));
  const loaded = await ownLoad(loading);
  const memoryLoaded = await memoryOf(group);

  say('changes alone, then beside a snapshot …');
  const steady = { ...base, operation: 'set' as const, inFlight: STEADY_IN_FLIGHT, valueBytes: 256 };
  const alone = await ownLoad(shared(steady, 1));
  const beside = await besideSnapshot(group, steady);
  const memorySaved = await memoryOf(group);

  say('a restart …');
  const follower = group.servers.map(({ name }) => name).find((id) => id !== beside.leader)!;
  const restart = await restarted(group, follower);
  say('a new server …');
  const fresh = await caughtUp(group, beside.leader);

  return [
    {
      what: `${nodes} nodes of ${base.valueBytes} bytes`,
      figures: {
        'seconds to load': loaded.tookMs / 1000,
        'creates per second': loaded.operations / (loaded.tookMs / 1000),
        'errors while loading': loaded.errors,
        'p99 ms of a create': loaded.latencies.quantile(0.99),
        'MiB of memory, largest server, loaded': memoryLoaded.now,
        'MiB of memory, largest server, most so far': memorySaved.most,
        'seconds of a snapshot': beside.snapshotMs / 1000,
        'MiB of a snapshot': beside.bytes / 1_048_576,
        'changes per second, alone': alone.operations / seconds,
        'p50 ms of a change, alone': alone.latencies.quantile(0.5),
        'p99 ms of a change, alone': alone.latencies.quantile(0.99),
        'p50 ms of a change, beside a snapshot': beside.latencies.quantile(0.5),
        'p99 ms of a change, beside a snapshot': beside.latencies.quantile(0.99),
        'p99 beside / alone': beside.latencies.quantile(0.99) / alone.latencies.quantile(0.99),
        'seconds to restart a server, until it has all': restart / 1000,
        'seconds for a new server, until it has all': fresh / 1000,
      },
    },
  ];
}

async function memoryOf(group: NuwaGroup): Promise<{ now: number; most: number }> {
  const all = (await Promise.all(group.servers.map(memoryMiB))).flatMap((each) => each ?? []);
  return { now: Math.max(...all.map(({ now }) => now)), most: Math.max(...all.map(({ most }) => most)) };
}

/** Snapshots are taken for as long as the changes are measured. */
async function besideSnapshot(
  group: NuwaGroup,
  steady: OwnShare,
): Promise<{ leader: string; snapshotMs: number; bytes: number; latencies: Latencies }> {
  const leader = await group.leader();
  const taken: { snapshotMs: number; bytes: number } = { snapshotMs: 0, bytes: 0 };
  const { latencies } = await ownLoad(shared(steady, 1), async () => {
    await delay(steady.warmUpSeconds * 1000);
    const startedMs = performance.now();
    const untilMs = startedMs + steady.seconds * 1000;
    // One after another for as long as it is measured; the first tells how long one takes.
    do {
      const { bytes } = await group.rpc(leader).snapshot({ fresh: true }, { timeoutMs: SNAPSHOT_MS_MAX });
      if (taken.bytes === 0) Object.assign(taken, { bytes, snapshotMs: performance.now() - startedMs });
    } while (performance.now() < untilMs);
  });
  return { leader, ...taken, latencies };
}

async function restarted(group: NuwaGroup, id: string): Promise<number> {
  await group.end(id);
  const startedMs = performance.now();
  await group.begin(id);
  await hasAll(group, id);
  return performance.now() - startedMs;
}

/** A server that has nothing is added, as one is whose machine is a new one. */
async function caughtUp(group: NuwaGroup, leader: string): Promise<number> {
  const id = 'nuwa-9';
  await group.beginNew(id);
  const startedMs = performance.now();
  await group.rpc(leader).changeMembers({ kind: 'add', id, address: group.addressOf(id) });
  await hasAll(group, id);
  const took = performance.now() - startedMs;
  await group.rpc(leader).changeMembers({ kind: 'remove', id });
  await group.end(id);
  return took;
}

/** Until the server has applied what the leader had committed when it was asked. */
async function hasAll(group: NuwaGroup, id: string): Promise<void> {
  const leader = await group.leader();
  const wanted = (await group.status(leader))!.commitIndex;
  for (;;) {
    const status = await group.status(id);
    if (status && status.appliedIndex >= wanted) return;
    await delay(20);
  }
}
