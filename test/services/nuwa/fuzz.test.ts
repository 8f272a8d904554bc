import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import { type Random, seededRandom } from '../../../services/base/random.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { nuwaPeerService } from '../../../services/nuwa/peer-contract.ts';
import { Harness, type NuwaServer } from './harness.ts';

const SEED = Number(process.env.FEITIAN_SEED ?? Date.now() % 1_000_000);

let harness: Harness;
let server: NuwaServer;

beforeEach(async () => {
  harness = new Harness();
  server = await harness.server();
});
afterEach(() => harness.close());

const STRINGS = [
  '',
  '/',
  '/a',
  '/a/',
  '//',
  '/../x',
  '/\0',
  '/\ud800',
  `/${'x'.repeat(256)}`,
  `/${'é'.repeat(3_000)}`,
  's',
  '__proto__',
  'constructor',
  '飞天',
];
const NUMBERS = [0, 1, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53, -(2 ** 53), Number.MAX_SAFE_INTEGER];

/** Anything at all that MessagePack carries. */
function anything(random: Random, depth = 0): unknown {
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
  switch (random.int(depth > 3 ? 6 : 9)) {
    case 0:
      return pick(STRINGS);
    case 1:
      return pick(NUMBERS);
    case 2:
      return random.int(2) === 0;
    case 3:
      return null;
    case 4:
      return undefined;
    case 5:
      return new Uint8Array(pick([0, 1, 300]));
    case 6:
      return Array.from({ length: random.int(5) }, () => anything(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.int(5) }, () => [pick(['path', 'value', 'kind', 'version', 'x']), anything(random, depth + 1)]),
      );
  }
}

/** A request that nearly fits: fields that the methods know, some with what they do not. */
function request(random: Random): Record<string, unknown> {
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
  const good: Record<string, () => unknown> = {
    session: () => pick(['s', 's', 'nobody', '']),
    request: () => random.int(50),
    settled: () => random.int(50),
    path: () => pick(STRINGS),
    value: () => new Uint8Array(random.int(300)),
    ttlMs: () => pick([1, 100, 5_000, 600_001]),
    creator: () => pick(STRINGS),
    version: () => pick(NUMBERS),
    createRevision: () => pick(NUMBERS),
    ephemeral: () => random.int(2) === 0,
    sequential: () => random.int(2) === 0,
    parents: () => random.int(2) === 0,
    container: () => random.int(2) === 0,
    replace: () => random.int(2) === 0,
    recursive: () => random.int(2) === 0,
    stale: () => random.int(2) === 0,
    after: () => pick(STRINGS),
    limit: () => pick(NUMBERS),
    afterRevision: () => random.int(5),
    waitMs: () => pick([0, 1, 5]),
    operations: () =>
      Array.from({ length: random.int(4) }, () => ({
        kind: pick(['create', 'set', 'delete', 'check', 'nothing']),
        path: pick(STRINGS),
        value: new Uint8Array(1),
        absent: true,
      })),
    kind: () => pick(['add', 'promote', 'remove', 'move', 'x']),
    id: () => pick(['nuwa-1', 'nuwa-9', '']),
    address: () => pick(STRINGS),
    to: () => pick(['nuwa-1', 'nuwa-9']),
    from: () => pick(['nuwa-2', '', 'x'.repeat(300)]),
    cluster: () => pick(['test', 'other']),
    messages: () => Uint8Array.from({ length: random.int(60) }, () => random.int(256)),
    index: () => pick(NUMBERS),
    offset: () => pick(NUMBERS),
    bytes: () => pick(NUMBERS),
  };
  return Object.fromEntries(
    Object.entries(good).flatMap(([field, make]) => {
      const chance = random.int(20);
      if (chance === 0) return [];
      return [[field, chance === 1 ? anything(random) : make()]];
    }),
  );
}

describe(`a server (seed ${SEED})`, { timeout: 60_000 }, () => {
  it('answers whatever it is asked with a reply or an error that has a code, and lives', async () => {
    const random = seededRandom(SEED);
    const kuafu = createKuafuClient({ log: silentLogger });
    harness.onClose(() => kuafu.close());
    await harness.rpc(server.address).openSession({ session: 's', ttlMs: 600_000, creator: 'fuzz' });
    const codes = new Map<string, number>();
    for (const contract of [nuwaService, nuwaPeerService]) {
      const rpc = kuafu.service(contract, server.address) as unknown as Record<
        string,
        (request: unknown, options: object) => Promise<unknown>
      >;
      // Removing the only server, or having it removed, is no nonsense.
      for (const method of Object.keys(contract.methods).filter((name) => !['changeMembers', 'attend'].includes(name))) {
        // Drawn one after the other, so that the seed says what they are; asked together, since each change waits for the disk.
        const requests = Array.from({ length: 120 }, () => (random.int(10) === 0 ? anything(random) : request(random)));
        const said = await Promise.all(
          requests.map((each) =>
            rpc[method]!(each, { timeoutMs: 5_000 }).then(
              () => 'OK',
              (error: { code?: string }) => error.code ?? `no code: ${String(error)}`,
            ),
          ),
        );
        for (const code of said) codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }
    // Internal is what a bug is told as.
    expect(
      [...codes.keys()].filter((code) => /no code|Internal|Unavailable|DeadlineExceeded/.test(code)),
      `seed ${SEED}`,
    ).toEqual([]);
    expect(codes.get('OK')).toBeGreaterThan(100);
    expect(codes.get('InvalidRequest')).toBeGreaterThan(100);
    expect(codes.size).toBeGreaterThan(4);
    await harness.rpc(server.address).get({ path: '/' });
  });

  it('lives through connections that send nonsense, and many that send nothing', async () => {
    const random = seededRandom(SEED + 1);
    const { port, hostname } = new URL(server.address.replace('tcp:', 'http:'));
    const sockets = Array.from({ length: 200 }, (_, i) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      if (i % 2) socket.write(Uint8Array.from({ length: 1 + random.int(2_000) }, () => random.int(256)));
      return socket;
    });
    harness.onClose(() => {
      for (const socket of sockets) socket.destroy();
    });
    const nuwa = await harness.client(server.address);
    await nuwa.create('/n', new Uint8Array(0));
    expect((await nuwa.get('/n')).version).toBe(0);
  });
});
