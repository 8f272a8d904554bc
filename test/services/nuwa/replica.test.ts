import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import type { Done } from '../../../services/nuwa/core/tree/command.ts';
import { takeSnapshot } from '../../../services/nuwa/core/tree/snapshot.ts';
import { encode } from '../../../services/nuwa/log/codec.ts';
import { Replica, type ReplicaOptions } from '../../../services/nuwa/replica.ts';
import { bytes } from './core/tree/script.ts';

let dir: string;
/** What to undo after a test, latest first. */
let undo: (() => unknown)[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-replica-'));
  undo = [() => rmSync(dir, { recursive: true })];
});
afterEach(async () => {
  for (const step of undo.reverse()) await step();
});

async function open(options: Partial<ReplicaOptions> = {}): Promise<Replica> {
  const replica = await Replica.open({ dir, log: silentLogger, ...options });
  undo.push(() => replica.close());
  if (replica.state.sessions.size === 0) {
    await replica.submit({ kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'test' });
  }
  return replica;
}

/** All tests share one count; a session may skip numbers. */
let request = 0;

function create(replica: Replica, path: string, value: Uint8Array = bytes('')): Promise<Done> {
  request++;
  return replica.submit({ kind: 'create', path, value, session: 's', request, settled: request });
}

function set(replica: Replica, path: string, value: Uint8Array): Promise<Done> {
  request++;
  return replica.submit({ kind: 'set', path, value, session: 's', request, settled: request });
}

const bytesOf = (replica: Replica): string => encode(takeSnapshot(replica.state)).toString('hex');

describe('a replica', () => {
  it('answers in the order of submission, with one revision each', async () => {
    const replica = await open();
    const done = await Promise.all(Array.from({ length: 200 }, (_, i) => create(replica, `/n${i}`)));
    expect(done.map(({ revision }) => revision)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  });

  it('counts its nodes as they come and go, and after a restart', async () => {
    const first = await open();
    await create(first, '/a');
    await create(first, '/a/b');
    await set(first, '/a/b', bytes('x'));
    await expect(create(first, '/a')).rejects.toMatchObject({ code: 'NodeExists' });
    request++;
    await first.submit({ kind: 'create', path: '/p/q/r', value: bytes(''), parents: true, session: 's', request, settled: request });
    request++;
    await first.submit({ kind: 'create', path: '/e', value: bytes(''), ephemeral: true, session: 's', request, settled: request });
    expect(first.nodes).toBe(6);
    request++;
    await first.submit({ kind: 'delete', path: '/p', recursive: true, session: 's', request, settled: request });
    expect(first.nodes).toBe(3);
    await first.close();
    const second = await open();
    expect(second.nodes).toBe(3);
    await second.submit({ kind: 'closeSession', session: 's', why: 'expired' });
    expect(second.nodes).toBe(2);
  });

  it('tells of each command how long it took to the disk', async () => {
    const replica = await open();
    const took: number[] = [];
    replica.onCommitted = (ms) => took.push(ms);
    await Promise.all([create(replica, '/x'), create(replica, '/y')]);
    expect(took).toHaveLength(2);
    for (const ms of took) expect(ms).toBeGreaterThan(0);
  });

  it('has after a restart the state and the events that it had before', async () => {
    const first = await open();
    await Promise.all(Array.from({ length: 20 }, (_, i) => create(first, `/n${i}`, bytes(String(i)))));
    await expect(create(first, '/n1')).rejects.toMatchObject({ code: 'NodeExists' });
    const state = bytesOf(first);
    const events = JSON.stringify(first.events.after(0, '/', true, 1_000_000).events.map(({ path, revision }) => [path, revision]));
    await first.close();
    const second = await open();
    expect(bytesOf(second)).toBe(state);
    expect(JSON.stringify(second.events.after(0, '/', true, 1_000_000).events.map(({ path, revision }) => [path, revision]))).toBe(events);
  });

  it('replaces its log by snapshots while it runs, and keeps its state and its latest events over a restart', async () => {
    const first = await open({ logBytesMax: 64 * 1024 });
    for (let i = 0; i < 40; i++) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => create(first, `/n${i}-${j}`, new Uint8Array(1_000).fill(i))));
    }
    const state = bytesOf(first);
    await first.close();
    const names = readdirSync(dir).sort();
    expect(names.filter((name) => name.startsWith('snapshot-')).length).toBe(1);
    expect(names.filter((name) => name.startsWith('log-')).length).toBeLessThanOrEqual(2);
    expect(names).not.toContain('log-0000000000000001');
    const second = await open();
    expect(bytesOf(second)).toBe(state);
    const snapshotIndex = Number(names.at(-1)!.replace('snapshot-', ''));
    expect(snapshotIndex).toBeGreaterThan(300);
    // The first command opened the session, so a snapshot's revision is one below its index. It brought at least ten events.
    const afterRevision = snapshotIndex - 1 - 10;
    const { events } = second.events.after(afterRevision, '/', true, 10_000_000);
    expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: 400 - afterRevision }, (_, i) => afterRevision + 1 + i));
  });

  it('refuses a directory that another one has open, and takes it over from one that was killed', async () => {
    const first = await open();
    await expect(Replica.open({ dir, log: silentLogger })).rejects.toThrow(/is in use by process/);
    await create(first, '/still-works');
    await first.close();
    writeFileSync(join(dir, 'lock'), `${process.pid} another-start-of-this-id`);
    const second = await open();
    await create(second, '/taken-over');
  });

  it('closes only after all that was submitted is answered', async () => {
    const replica = await open();
    const created = create(replica, '/late');
    await replica.close();
    await expect(created).resolves.toMatchObject({ path: '/late' });
    await expect(create(replica, '/too-late')).rejects.toMatchObject({ code: 'Unwritable' });
  });
});

describe('a replica on a full disk', () => {
  /** A disk of 1 MiB. */
  function tinyDisk(): string | undefined {
    const mount = join(dir, 'disk');
    try {
      execFileSync('mkdir', [mount]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount], { stdio: 'pipe' });
      undo.push(() => execFileSync('umount', ['-l', mount]));
      return mount;
    } catch (error) {
      console.log(`skipped, no small disk could be mounted: ${error}`);
      return undefined;
    }
  }

  it('refuses writes from then on, serves reads, and after a restart with room has all that was acknowledged', async (context) => {
    const mount = tinyDisk();
    if (!mount) return context.skip();
    const replica = await Replica.open({ dir: join(mount, 'nuwa'), log: silentLogger });
    await replica.submit({ kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'test' });
    const acknowledged: string[] = [];
    let refusal: unknown;
    for (let i = 0; i < 20 && !refusal; i++) {
      const path = `/n${i}`;
      await create(replica, path, new Uint8Array(100_000).fill(i)).then(
        () => acknowledged.push(path),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toMatchObject({ code: 'Unwritable', message: expect.stringContaining('ENOSPC') });
    expect(acknowledged.length).toBeGreaterThan(5);
    const state = bytesOf(replica);

    // Room alone does not bring it back: nobody knows what the failed write left.
    execFileSync('mount', ['-o', 'remount,size=8m', mount]);
    await expect(create(replica, '/small')).rejects.toMatchObject({ code: 'Unwritable' });
    expect([...replica.state.root.children!.keys()]).toEqual(acknowledged.map((path) => path.slice(1)));
    expect(bytesOf(replica)).toBe(state);
    await replica.close();

    const again = await Replica.open({ dir: join(mount, 'nuwa'), log: silentLogger });
    undo.push(() => again.close());
    expect([...again.state.root.children!.keys()]).toEqual(expect.arrayContaining(acknowledged.map((path) => path.slice(1))));
    await create(again, '/works-again');
  });

  it('takes no snapshot where there is no room for it, and goes on; takes one when there is', async (context) => {
    const mount = tinyDisk();
    if (!mount) return context.skip();
    const home = join(mount, 'nuwa');
    const replica = await Replica.open({ dir: home, log: silentLogger, logBytesMax: 150_000 });
    undo.push(() => replica.close());
    const snapshots = (): number => readdirSync(home).filter((name) => name.startsWith('snapshot-')).length;
    await replica.submit({ kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'test' });
    writeFileSync(join(mount, 'ballast'), new Uint8Array(620_000));
    await create(replica, '/n', new Uint8Array(100_000));
    for (let i = 0; i < 2; i++) await set(replica, '/n', new Uint8Array(100_000));
    for (let i = 0; i < 10; i++) await create(replica, `/small${i}`);
    expect([replica.unwritable, snapshots()]).toEqual([false, 0]);
    rmSync(join(mount, 'ballast'));
    for (let i = 0; i < 2; i++) await set(replica, '/n', new Uint8Array(100_000));
    const state = bytesOf(replica);
    await replica.close();
    expect([replica.unwritable, snapshots()]).toEqual([false, 1]);
    const again = await Replica.open({ dir: home, log: silentLogger });
    undo.push(() => again.close());
    expect(bytesOf(again)).toBe(state);
  });
});
