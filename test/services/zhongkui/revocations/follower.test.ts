import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { type Followed, type NuwaClient, NuwaError, type NuwaNode } from '../../../../services/nuwa/contract.ts';
import { openGuard } from '../../../../services/zhongkui/client.ts';
import { REVOCATION_FRESH_MS, REVOCATIONS_PATH } from '../../../../services/zhongkui/contract.ts';
import { writeTrustFile } from '../../../../services/zhongkui/keys/trust-file.ts';
import { followRevocations } from '../../../../services/zhongkui/revocations/follower.ts';
import { revoke } from '../../../../services/zhongkui/revocations/revoke.ts';
import { Harness } from '../../nuwa/harness.ts';
import { challengeOf, credentialsOf, Stage } from '../stage.ts';

/** Nuwa as far as the follower sees it: what is told and what is asked, each when the test says so. */
class FakeNuwa {
  readonly #told: Followed[] = [];
  #wake: () => void = () => {};
  touchedAt: number | Error = 0;
  asked = 0;

  tell(news: Followed): void {
    this.#told.push(news);
    this.#wake();
  }

  async *follow(_: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Followed> {
    signal?.addEventListener('abort', () => this.#wake());
    while (!signal?.aborted) {
      const next = this.#told.shift();
      if (next) yield next;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async get(): Promise<NuwaNode> {
    this.asked++;
    if (this.touchedAt instanceof Error) throw this.touchedAt;
    if (this.touchedAt === 0) throw new NuwaError('NoNode', 'there is none');
    return { modifyRevision: this.touchedAt } as NuwaNode;
  }
}

const entry = (name: string, value: object | string): NuwaNode =>
  ({
    path: `${REVOCATIONS_PATH}/${name}`,
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  }) as unknown as NuwaNode;
const event = (kind: 'created' | 'deleted', name: string, revision: number, value: object = {}): Followed => ({
  kind: 'event',
  event: {
    kind,
    path: name === '' ? REVOCATIONS_PATH : `${REVOCATIONS_PATH}/${name}`,
    revision,
    value: Buffer.from(JSON.stringify(value)),
  },
});
/** All that is waiting to be run has run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('revocations', () => {
  const started = () => {
    const nuwa = new FakeNuwa();
    const clock = new ManualClock(1_000_000);
    const stop = new AbortController();
    setMaxListeners(0, stop.signal); // the manual clock leaves its listeners
    const follower = followRevocations({ nuwa: nuwa as unknown as NuwaClient, log: silentLogger, signal: stop.signal, clock });
    return { nuwa, clock, follower, stop };
  };

  test('are not fresh before all that there was is known', async () => {
    const { nuwa, follower, clock, stop } = started();
    await settled();
    expect(follower.freshUntilMs).toBe(Number.NEGATIVE_INFINITY);
    clock.advance(7_000);
    nuwa.tell({ kind: 'snapshot', nodes: [entry('revoked-1', { expiresAtMs: 9e15, reason: 'lost' })], revision: 10 });
    await follower.fresh;
    expect(follower.revocations.get('revoked-1')?.reason).toBe('lost');
    // As old as the question.
    expect(follower.freshUntilMs).toBe(1_000_000 + REVOCATION_FRESH_MS);
    stop.abort();
    await follower.ended;
  });

  test('stay fresh while the group answers, and grow old when it does not', async () => {
    const { nuwa, follower, clock, stop } = started();
    nuwa.tell({ kind: 'snapshot', nodes: [], revision: 10 });
    await settled();
    clock.advance(REVOCATION_FRESH_MS / 3);
    await settled();
    expect(nuwa.asked).toBe(2);
    const until = clock.monotonicMs() + REVOCATION_FRESH_MS;
    nuwa.touchedAt = new Error('no server answers');
    for (let i = 0; i < 40; i++) {
      clock.advance(1_000);
      await settled();
    }
    expect(follower.freshUntilMs).toBe(until);
    nuwa.touchedAt = 5;
    clock.advance(1_000);
    await settled();
    expect(follower.freshUntilMs).toBe(clock.monotonicMs() + REVOCATION_FRESH_MS);
    stop.abort();
    await follower.ended;
  });

  test('are not fresh while a change that was made is not here', async () => {
    const { nuwa, follower, clock, stop } = started();
    nuwa.tell({ kind: 'snapshot', nodes: [], revision: 10 });
    await settled();
    const before = follower.freshUntilMs;
    nuwa.touchedAt = 12;
    clock.advance(REVOCATION_FRESH_MS / 3);
    await settled();
    const askedAtMs = clock.monotonicMs();
    clock.advance(2_000);
    nuwa.tell(event('created', 'revoked-2', 11, { expiresAtMs: 9e15, reason: 'x' }));
    await settled();
    expect(follower.revocations.has('revoked-2')).toBe(true);
    expect(follower.freshUntilMs).toBe(before);
    nuwa.tell(event('created', '', 12));
    await settled();
    // As fresh as the question was, not as the answer.
    expect(follower.freshUntilMs).toBe(askedAtMs + REVOCATION_FRESH_MS);
    stop.abort();
    await follower.ended;
  });

  test('change their version with each change, and go when they revoke nothing any more', async () => {
    const { nuwa, follower, clock, stop } = started();
    nuwa.tell({
      kind: 'snapshot',
      nodes: [entry('old-token', { expiresAtMs: 1_005_000, reason: 'x' }), entry('strange-one', 'no JSON')],
      revision: 1,
    });
    await settled();
    const { version } = follower;
    nuwa.tell(event('created', 'new-token', 2, { expiresAtMs: 9e15, reason: 'y' }));
    await settled();
    expect(follower.version).toBeGreaterThan(version);
    clock.advance(5_000 + 130_000);
    await settled();
    expect([...follower.revocations.keys()]).toEqual(['strange-one', 'new-token']);
    nuwa.tell(event('deleted', 'strange-one', 3));
    await settled();
    expect([...follower.revocations.keys()]).toEqual(['new-token']);
    stop.abort();
    await follower.ended;
  });
});

describe('revocations in Nuwa', () => {
  const harness = new Harness();
  let nuwa: NuwaClient;
  beforeAll(async () => {
    const server = await harness.server();
    nuwa = await harness.client([server.address]);
  });
  afterAll(() => harness.close());

  test('end what a guard let in, within moments, and are kept as long as the token could live', async () => {
    const stage = new Stage();
    const trustFile = `${harness.dir}/trust.json`;
    await writeTrustFile(trustFile, { cluster: 'local', keys: [stage.issuerKey], certificates: [] });
    stage.clock.advance(Date.now() - stage.clock.nowMs());
    const [alice, bob] = [await stage.issued(), await stage.issued({ name: 'user/bob' })];
    const guard = await openGuard({ cluster: 'local', trustFile, nuwa, log: silentLogger });
    const challenge = challengeOf();
    const [one, other] = await Promise.all([alice, bob].map((each) => guard.admit(credentialsOf(each, challenge), challenge)));
    expect([one!.ended(), other!.ended()]).toEqual([undefined, undefined]);

    const expiresAtMs = Date.now() + 3_600_000;
    await revoke(nuwa, alice.id, { expiresAtMs, reason: 'left the house' }, Date.now());
    await vi.waitFor(() => expect(one!.ended()).toMatch(/left the house/), { interval: 5, timeout: 5_000 });
    expect(other!.ended()).toBeUndefined();
    await expect(guard.admit(credentialsOf(alice, challenge), challenge)).rejects.toThrow(
      expect.objectContaining({ code: 'TokenRevoked' }),
    );

    const node = await nuwa.get(`${REVOCATIONS_PATH}/${alice.id}`);
    expect(node.ttlMs).toBeGreaterThan(3_600_000 + 60_000);
    // Again, and for another time.
    await revoke(nuwa, alice.id, { expiresAtMs: expiresAtMs + 1_000, reason: 'left again' }, Date.now());
    await vi.waitFor(() => expect(one!.ended()).toMatch(/left again/), { interval: 5, timeout: 5_000 });
    guard.close();
  });

  test('are of ids and fingerprints only', async () => {
    for (const of of ['../nuwa', 'a', 'a/b/c/d/e/f/g', ''])
      await expect(revoke(nuwa, of, { expiresAtMs: 1, reason: 'x' }, 0)).rejects.toThrow(expect.objectContaining({ code: 'NoSuchKey' }));
  });
});
