import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { bytes } from '../core/tree/script.ts';
import { Harness, takeUntil } from '../harness.ts';
import { ProcessGroup } from './process-group.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

/** Starting a process takes a second, and several on a busy machine. */
const SLOW = { timeout: 120_000 };

describe('three servers', SLOW, () => {
  it('that are restarted one after the other fail no call, end no session, and let no watcher miss a change', async () => {
    const group = await ProcessGroup.start(harness, 3);
    const states: string[] = [];
    const connect = async () => {
      const client = await harness.client(group.addresses, { ttlMs: 4_000 });
      client.session.onState((state) => states.push(state));
      return client;
    };
    const writers = await Promise.all(Array.from({ length: 4 }, connect));
    const watcher = await connect();
    const seen = takeUntil(watcher.watch('/', { recursive: true, afterRevision: 0 }), ({ path }) => path === '/last');
    await writers[0]!.create('/w', bytes(''));
    let writing = true;
    let slowestMs = 0;
    let made = 0;
    const load = writers.map(async (nuwa, writer) => {
      for (let i = 0; writing; i++) {
        const sentMs = systemClock.monotonicMs();
        const { path } = await nuwa.create(`/w/${writer}-${i}`, bytes(`${i}`));
        expect((await nuwa.get(path)).version).toBe(0);
        slowestMs = Math.max(slowestMs, systemClock.monotonicMs() - sentMs);
        made++;
      }
    });

    const tookMs: Record<string, number> = {};
    for (const id of [await group.leader(), ...group.ids]) {
      const stopMs = systemClock.monotonicMs();
      expect(await group.stop(id)).toBe(0);
      tookMs[id] = Math.round(systemClock.monotonicMs() - stopMs);
      await group.start(id);
      await group.whole();
    }
    writing = false;
    await Promise.all(load);
    const last = await writers[0]!.create('/last', bytes(''));
    console.log(`${made} changes and reads, the slowest took ${Math.round(slowestMs)} ms; stopping took ${JSON.stringify(tookMs)} ms`);

    expect((await seen).map(({ revision }) => revision)).toEqual(Array.from({ length: last.revision }, (_, i) => i + 1));
    expect(last.revision).toBe(made + 2);
    expect(states).not.toContain('expired');
    expect(slowestMs).toBeLessThan(5_000);
  });

  it('that are all killed at once come back with all that was acknowledged, and with their sessions', async () => {
    const group = await ProcessGroup.start(harness, 3);
    const nuwa = await harness.client(group.addresses, { ttlMs: 20_000 });
    await nuwa.create('/mine', bytes(''), { ephemeral: true });
    await Promise.all(Array.from({ length: 500 }, (_, i) => nuwa.create(`/n${i}`, bytes(`${i}`))));
    await Promise.all(group.ids.map((id) => group.kill(id)));
    const startMs = systemClock.monotonicMs();
    const serving = nuwa.create('/again', bytes(''));
    await Promise.all(group.ids.map((id) => group.start(id)));
    const { revision } = await serving;
    console.log(`serving again ${Math.round(systemClock.monotonicMs() - startMs)} ms after the start`);
    expect(revision).toBe(502);
    expect((await nuwa.get('/mine')).ephemeralOwner).toBe(nuwa.session.id);
    for (const id of group.ids) expect((await group.rpc(id).get({ path: '/n499' })).node.version).toBe(0);
  });
});
