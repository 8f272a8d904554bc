import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExchange } from '../../activities/fuxi/exchange.ts';
import { callByName, describeServices } from '../../infra/cli/ui/rpc.ts';
import { silentLogger } from '../../services/base/log.ts';
import { type AttemptPlace, attemptTokenParts } from '../../services/fuxi/attempt-contract.ts';
import { attemptPath, type BatchRequest, FUXI_MASTER_SERVICE, fuxiMasterService } from '../../services/fuxi/contract.ts';
import { AttemptIdentities } from '../../services/fuxi/tubo/attempt-identity.ts';
import { createKuafuClient } from '../../services/kuafu/client.ts';
import type { Identity } from '../../services/kuafu/guard-contract.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { SERVICES_PATH, serviceInfoSchema } from '../../services/nuwa/contract.ts';
import { chunkServerService } from '../../services/pangu/chunk-contract.ts';
import { createPangu } from '../../services/pangu/client.ts';
import { MASTER_SERVICE, masterService } from '../../services/pangu/master-contract.ts';
import { delegate, identityOf, keyDirectory, openIdentity, parsePrivateKey, tokenIdOf } from '../../services/zhongkui/client.ts';
import { REVOCATION_FRESH_MS, REVOCATIONS_PATH } from '../../services/zhongkui/contract.ts';
import { openCluster, outputLines, progressOf, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { placesToSearch, secretsOf } from '../helpers/secrets.ts';
import { feitian } from '../infra/feitian.ts';

/** Everything here is asked of the real processes of one cluster, with keys that `feitian up` and `feitian key` made. */
let test: TestCluster;

beforeAll(async () => {
  test = await openCluster({ nodes: 2, together: false });
  await test.pangu.writeFile('/in/text', 'to be or not\nto be\n', { parents: true });
  await test.pangu.writeFile('/other/text', 'not yours\n', { parents: true });
}, 120_000);
afterAll(() => test?.stop());

const command = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await feitian([...args, '--dir', test.dir]);
  if (code !== 0) throw new Error(`feitian ${args.join(' ')}: ${stderr}`);
  return stdout;
};

const keyFile = (name: string): string => keyDirectory(join(test.dir, 'keys')).fileOf(name);

/** All that a program needs to work as somebody. */
async function actingAs(identity: Identity) {
  const { info } = test.cluster;
  const nuwa = info.nuwa.kuafu.map((address) => `tcp://${address}`);
  const { kuafu, leave, nuwa: client } = await joinCluster({ cluster: info.name, nuwa, creator: 'test', identity });
  const pangu = createPangu({ cluster: info.name, kuafu });
  return {
    pangu,
    nuwa: client,
    kuafu,
    masters: kuafu.service(masterService, `nuwa://${info.name}/${MASTER_SERVICE}/`),
    fuxiMaster: kuafu.service(fuxiMasterService, `nuwa://${info.name}/${FUXI_MASTER_SERVICE}/`),
    chunkServer: (address: string) => kuafu.service(chunkServerService, address),
    async leave() {
      await pangu.close();
      await leave();
    },
  };
}
type Acting = Awaited<ReturnType<typeof actingAs>>;

const DENIED = { code: 'PermissionDenied' };

/** The code of what a call is refused with, or `OK`. */
const outcome = (calling: Promise<unknown>): Promise<string> =>
  calling.then(
    () => 'OK',
    (error: { code?: string }) => error.code ?? String(error),
  );

function job(name: string, map: string[]) {
  return {
    name,
    user: 'alice',
    tasks: { map: { run: { command: map } }, reduce: { run: { command: ['uniq', '-c'] } } },
    pipes: [
      { source: { filePattern: 'pangu://local/in/*' }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}

it('a job runs, each of its attempts by what it may do', async () => {
  await resultOf(await test.submit(job('counted', ['tr', ' ', '\\n'])));
  expect((await outputLines(test.pangu, '/out/counted')).map((line) => line.trim())).toEqual(['1 not', '1 or', '2 be', '2 to'].sort());
}, 60_000);

it('every method of every process is refused to whoever is nobody', async () => {
  const { info } = test.cluster;
  const admin = await actingAs(await openIdentity(info.admin.keyFile, { watch: false }));
  const nobody = createKuafuClient();
  const addresses = new Map(info.nuwa.kuafu.map((address) => [`tcp://${address}`, 'nuwa']));
  for (const { path: service } of (await admin.nuwa.list(SERVICES_PATH)).children)
    for (const { value } of (await admin.nuwa.list(service)).children) {
      const { address } = serviceInfoSchema.parse(JSON.parse(Buffer.from(value).toString()));
      if (address.startsWith('tcp://')) addresses.set(address, service);
    }
  const open: string[] = [];
  let refused = 0;
  const ask = async (address: string): Promise<void> => {
    for (const { name: service, methods } of await describeServices(admin.kuafu, address, undefined))
      for (const { name } of methods) {
        const code = await outcome(callByName(nobody, address, { service, name }, {}, { timeoutMs: 5_000 }));
        if (code === 'Unauthenticated') refused++;
        else open.push(`${service}.${name}: ${code}`);
      }
  };
  for (const address of addresses.keys()) await ask(address);
  expect(new Set(open)).toEqual(new Set(['kuafu.health: OK']));
  // One Nuwa server, three masters, Shennong, and two nodes with a chunk server, Tubo and Dayu's agent each.
  expect(addresses.size).toBeGreaterThanOrEqual(8);
  expect(refused).toBeGreaterThan(80);
  await nobody.close();
  await admin.leave();
}, 30_000);

describe('a user who may read one directory', () => {
  let alice: Acting;
  let bob: Acting;

  beforeAll(async () => {
    for (const name of ['alice', 'bob']) {
      await command('key', 'create', name);
      await command('key', 'grant', name, 'pangu://local/in:read', 'nuwa://local/services:read');
    }
    alice = await actingAs(await openIdentity(keyFile('user/alice'), { watch: false }));
    bob = await actingAs(await openIdentity(keyFile('user/bob'), { watch: false }));
  }, 60_000);
  afterAll(async () => {
    await alice?.leave();
    await bob?.leave();
  });

  it('reads it, and neither writes there nor looks elsewhere', async () => {
    expect((await alice.pangu.readFile('/in/text')).toString()).toBe('to be or not\nto be\n');
    await expect(alice.pangu.writeFile('/in/mine', 'x')).rejects.toMatchObject(DENIED);
    await expect(alice.pangu.rm('/in/text')).rejects.toMatchObject(DENIED);
    await expect(alice.pangu.rename('/in/text', '/in/moved')).rejects.toMatchObject(DENIED);
    for (const path of ['/other/text', '/', '/input', '/in2/text'])
      await expect(alice.pangu.stat(path), path).rejects.toMatchObject(DENIED);
    await expect(alice.pangu.stat('/in/../other/text')).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('finds no file by an id that it was told, if it lies elsewhere', async () => {
    const { file } = await admin((acting) => acting.masters.open({ path: '/other/text' }));
    await expect(alice.masters.locate({ file })).rejects.toMatchObject(DENIED);
    await expect(alice.masters.commit({ file, chunks: [], close: true })).rejects.toMatchObject(DENIED);
  });

  it('administers nothing, and is no part of any service', async () => {
    await expect(alice.masters.servers({})).rejects.toMatchObject(DENIED);
    await expect(alice.masters.ticketKeys({})).rejects.toMatchObject(DENIED);
    await expect(alice.masters.forgetNode({ node: 'node-1' })).rejects.toMatchObject(DENIED);
    await expect(alice.fuxiMaster.nodes({})).rejects.toMatchObject(DENIED);
    await expect(alice.fuxiMaster.exchange({ ...WORDS })).rejects.toMatchObject(DENIED);
    await expect(alice.nuwa.create('/mine', Buffer.from('x'))).rejects.toMatchObject(DENIED);
    await expect(alice.nuwa.set(REVOCATIONS_PATH, Buffer.from('x'))).rejects.toMatchObject(DENIED);
  });

  it('gets the bytes of a chunk by its own ticket for reading, and by nothing else', async () => {
    const { chunks } = await alice.masters.open({ path: '/in/text' });
    const { chunk, length, replicas, ticket } = chunks[0]!;
    const { node, address } = replicas.find((replica) => replica.address !== undefined)!;
    const request = { node, chunk, offset: 0, length };
    const NO_TICKET = { code: 'NoTicket' };
    expect((await alice.chunkServer(address!).read({ ...request, ticket })).attachment.toString()).toBe('to be or not\nto be\n');
    await expect(alice.chunkServer(address!).read(request)).rejects.toMatchObject(NO_TICKET);
    await expect(bob.chunkServer(address!).read({ ...request, ticket })).rejects.toMatchObject(NO_TICKET);
    await expect(alice.chunkServer(address!).seal({ node, chunk, durable: false, ticket })).rejects.toMatchObject(NO_TICKET);
    await expect(alice.chunkServer(address!).list({ node, limit: 10 })).rejects.toMatchObject(DENIED);
    await expect(alice.chunkServer(address!).delete({ node, chunks: [chunk] })).rejects.toMatchObject(DENIED);
  });

  it('is held to the limits that it was given', async () => {
    await command('key', 'create', 'carol');
    await command('key', 'grant', 'carol', 'pangu://local/in:read;callsPerSecond=5;bytesPerCall=64', 'nuwa://local/services:read');
    const carol = await actingAs(await openIdentity(keyFile('user/carol'), { watch: false }));
    await carol.masters.stat({ path: '/in/text' });
    const stat = () => outcome(carol.masters.stat({ path: '/in/text' }, { timeoutMs: 900 }));
    const atOnce = await Promise.all(Array.from({ length: 30 }, stat));
    expect(new Set(atOnce)).toContain('Overloaded');
    expect(atOnce.filter((code) => code === 'OK').length).toBeLessThan(15);
    await expect(carol.masters.stat({ path: `/in/${'x'.repeat(100)}` })).rejects.toMatchObject(DENIED);
    await carol.leave();
  }, 30_000);

  it('is nobody within the bound once its key is revoked, and others are not touched by it', async () => {
    const { chunks } = await alice.masters.open({ path: '/in/text' });
    const { chunk, length, replicas, ticket } = chunks[0]!;
    const { node, address } = replicas.find((replica) => replica.address !== undefined)!;
    await command('key', 'revoke', 'alice', '--reason', 'laptop stolen');
    const within = { timeout: REVOCATION_FRESH_MS, interval: 50 };
    await expect.poll(() => outcome(alice.masters.stat({ path: '/in/text' })), within).toBe('Unauthenticated');
    await expect
      .poll(() => outcome(alice.chunkServer(address!).read({ node, chunk, offset: 0, length, ticket })), within)
      .toBe('Unauthenticated');
    await expect(alice.masters.stat({ path: '/in/text' })).rejects.toThrow(/laptop stolen/);
    expect((await bob.pangu.readFile('/in/text')).length).toBeGreaterThan(0);
  }, 60_000);
});

describe('an attempt that was given up', () => {
  let tubo: Acting;
  let identities: AttemptIdentities;

  beforeAll(async () => {
    const own = await openIdentity(keyFile('service/tubo/node-1'), { watch: false });
    tubo = await actingAs(own);
    const delegating = {
      name: own.name,
      version: 1,
      present: own.present,
      delegate: (given: Parameters<typeof delegate>[1]) => delegate(own, given),
    };
    identities = new AttemptIdentities({ own: delegating, cluster: 'local', pangu: tubo.pangu, nuwa: tubo.nuwa, log: silentLogger });
  });
  afterAll(() => tubo?.leave());

  /** As Tubo begins it; it writes its output already. */
  async function attemptWriting(attempt: AttemptPlace) {
    const directory = `pangu://local/.straggler/${attempt.runId}`;
    const request = {
      input: { kind: 'none' },
      output: { kind: 'files', directory },
      program: { command: ['x'] },
    } as unknown as BatchRequest;
    const running = await identities.begin(request, attempt, () => {});
    const { key, token } = running.identity;
    const acting = await actingAs(identityOf({ keyPair: parsePrivateKey(key), token }));
    const path = attemptPath(directory, attempt.instance, attempt.attempt);
    const file = await acting.pangu.open(path, 'w', { parents: true });
    await file.write(Buffer.from('first'));
    await file.sync();
    await expect(acting.pangu.writeFile(`${directory}/elsewhere`, 'x')).rejects.toMatchObject(DENIED);
    return { running, acting, path, file };
  }

  /** Neither a master nor a chunk server takes anything of it. */
  async function expectDead({ acting, path, file }: Awaited<ReturnType<typeof attemptWriting>>): Promise<void> {
    const within = { timeout: REVOCATION_FRESH_MS, interval: 50 };
    await expect.poll(() => outcome(acting.masters.stat({ path })), within).toBe('Unauthenticated');
    await expect(acting.masters.create({ file: 'f-x', path, mode: 'w', chunkBytes: 65_536, replicas: 1, parents: true })).rejects.toThrow(
      /Unauthenticated: .* revoked .* was given up/,
    );
    for (const { path: server } of (await tubo.nuwa.list(`${SERVICES_PATH}/pangu-chunk`)).children) {
      const { address, node } = serviceInfoSchema.parse(JSON.parse(Buffer.from((await tubo.nuwa.get(server)).value).toString()));
      const append = {
        node: node!,
        chunk: 'c-1',
        capacityBytes: 65_536,
        offset: 0,
        crcs: [],
        finish: 'none' as const,
        durable: false,
        next: [],
      };
      await expect
        .poll(() => outcome(acting.chunkServer(address).append(append, { attachment: Buffer.alloc(0) })), within)
        .toBe('Unauthenticated');
    }
    await file.write(Buffer.from('late'));
    await expect(file.close()).rejects.toMatchObject({ code: expect.toBeOneOf(['Unauthenticated', 'EIO']) });
  }

  it('writes no more when the workflow gave it up, wherever it runs', async () => {
    const place = { runId: 'run-lost', task: 'map', instance: 3, attempt: 1 };
    const attempt = await attemptWriting(place);
    const other = await attemptWriting({ ...place, attempt: 2 });
    const worker = await actingAs(await openIdentity(keyFile('service/worker'), { watch: false }));
    await createExchange(worker)({ ...WORDS }, [place]);
    await expectDead(attempt);
    // What runs in its place goes on.
    await other.acting.pangu.writeFile(`${other.path}`, 'whole');
    for (const { acting, running } of [attempt, other]) {
      running.end(false);
      await acting.leave();
    }
    await worker.leave();
  }, 60_000);

  it('writes no more when Tubo killed it', async () => {
    const attempt = await attemptWriting({ runId: 'run-killed', task: 'map', instance: 0, attempt: 1 });
    attempt.running.end(true);
    await expectDead(attempt);
    await attempt.acting.leave();
  }, 60_000);

  it('is revoked when its job is cancelled', async () => {
    const handle = await test.submit(job('endless', ['sleep', '600']));
    await expect.poll(async () => (await progressOf(handle)).tasks.map?.running ?? 0, { timeout: 30_000 }).toBe(1);
    await handle.cancel();
    await handle.result().catch(() => {});
    const runId = (await handle.describe()).runId;
    const entries = [0, 1, 2].map(
      (attempt) => `${REVOCATIONS_PATH}/${tokenIdOf(...attemptTokenParts({ runId, task: 'map', instance: 0, attempt }))}`,
    );
    const found = async (): Promise<number> =>
      (await Promise.all(entries.map((path) => outcome(tubo.nuwa.get(path))))).filter((code) => code === 'OK').length;
    await expect.poll(found, { timeout: 20_000 }).toBe(1);
  }, 60_000);
});

describe('after all that', () => {
  it('no key, token or secret of tickets stands in a history, a log or a metric', async () => {
    const secrets = await secretsOf(test);
    expect(secrets.length).toBeGreaterThan(20);
    const places = await placesToSearch(test);
    for (const kind of ['history', 'log', 'metrics'])
      expect(places.filter(({ where }) => where.startsWith(kind)).length, kind).toBeGreaterThan(2);
    const found = places.flatMap(({ where, text }) =>
      secrets.filter(({ value }) => text.includes(value)).map(({ what }) => `${what} in ${where}`),
    );
    expect(found).toEqual([]);
  }, 60_000);
});

const WORDS = {
  taskWorkflowId: 'nobody',
  taskRunId: 'nobody',
  sequence: 1,
  grantSeen: 0,
  user: 'alice',
  quotaGroup: 'default',
  priority: 0,
  resources: { cpu: 1, memoryMiB: 64 },
  want: 0,
  holding: [],
  avoid: [],
  prefer: {},
};

async function admin<T>(use: (acting: Acting) => Promise<T>): Promise<T> {
  const acting = await actingAs(await openIdentity(test.cluster.info.admin.keyFile, { watch: false }));
  return await use(acting).finally(() => acting.leave());
}
