import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { createKuafuClient, type KuafuClientOptions } from '../../../../services/kuafu/client.ts';
import { encodeBody } from '../../../../services/kuafu/codec.ts';
import { FRAME_KINDS } from '../../../../services/kuafu/core/frame.ts';
import { openingOf } from '../../../../services/kuafu/core/proxy-opening.ts';
import { kuafuProxyService } from '../../../../services/kuafu/proxy-contract.ts';
import { type ServeOptions, serve } from '../../../../services/kuafu/server.ts';
import { Outbox } from '../../../../services/kuafu/transports/outbox.ts';
import { TestAuthority, TestMaterial } from '../certificates.ts';
import { EchoHandlers, echoService } from '../echo.ts';
import { TestGuard, TestIdentity } from '../guard-under-test.ts';
import { guardedService } from '../guarded.ts';
import { type Machine, Machines } from './machines.ts';

/** What a proxy does beside carrying calls (calls.test.ts): with real processes that are stopped and killed. */
const machines = new Machines(2);
const [here, there] = machines.all as [Machine, Machine];
const cleanups: (() => unknown)[] = [];
beforeAll(async () => {
  await machines.start();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => machines.close());

async function startServer(options: Partial<ServeOptions> = {}, who = 'there') {
  const handlers = new EchoHandlers(who);
  const implementations = [handlers.implementation()];
  const server = await serve({ guard: 'none', address: `tcp://${there.host}:0`, implementations, ...options });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return { server, handlers };
}

function newClient(options: KuafuClientOptions = {}) {
  const client = createKuafuClient({ proxy: here.proxy, ...options });
  cleanups.push(() => client.close());
  return client;
}

/** A proxy hears of a channel's end a moment after its process does. */
async function untilChannels(machine: Machine, channels: number): Promise<void> {
  await expect.poll(async () => (await machine.count()).channels, { timeout: 10_000, interval: 20 }).toBe(channels);
}

describe('the way through the proxies', () => {
  test('is one connection between two machines, however many processes and servers there are', async () => {
    const servers = await Promise.all([1, 2, 3].map((i) => startServer({}, `server ${i}`)));
    const clients = [1, 2, 3, 4].map(() => newClient());
    for (const client of clients)
      for (const [i, { server }] of servers.entries())
        expect(await client.service(echoService, server.address).who({})).toEqual({ who: `server ${i + 1}` });
    expect(await here.count()).toEqual({ channels: 12, clientConnections: 1, serverConnections: 0 });
    expect(await there.count()).toEqual({ channels: 12, clientConnections: 0, serverConnections: 1 });
    for (const client of clients) await client.close();
    await untilChannels(here, 0);
    await untilChannels(there, 0);
  });

  test("ends at a file that is its owner's alone", () => {
    expect(statSync(pathOf(here)).mode & 0o777).toBe(0o600);
  });

  test('is not taken to what is on this machine', async () => {
    const { server } = await startServer({ address: 'tcp://127.0.0.1:0' });
    expect(await newClient().service(echoService, server.address).who({})).toEqual({ who: 'there' });
    expect((await here.count()).channels).toBe(0);
  });

  test("carries identities from end to end: the challenge is the server's, and what it refuses is refused", async () => {
    const guard = new TestGuard();
    const me = { me: async (_: unknown, { caller }: { caller: { name: string } }) => ({ who: caller.name }) };
    const implementations = [{ contract: guardedService, handlers: me }];
    const server = await serve({ guard, cluster: 'local', address: `tcp://${there.host}:0`, implementations });
    cleanups.push(() => server.close({ graceMs: 0 }));
    const alice = new TestIdentity('user/alice');
    const kuafu = newClient({ identity: alice });
    expect(await kuafu.service(guardedService, server.address).me({})).toEqual({ who: 'user/alice' });
    expect(await kuafu.as(new TestIdentity('user/bob')).service(guardedService, server.address).me({})).toEqual({ who: 'user/bob' });
    await expect(newClient().service(guardedService, server.address).me({})).rejects.toMatchObject({ code: 'Unauthenticated' });
    expect(alice.presented).toBe(1);
    expect((await there.count()).channels).toBe(2);
  });

  test('carries TLS from end to end: certificates are those of the processes, and bound to the channel', async () => {
    const authority = new TestAuthority();
    cleanups.push(() => authority.close());
    const material = () => new TestMaterial(authority.cert, authority.issue(`IP:${there.host}`));
    const { server, handlers } = await startServer({ address: `tls://${there.host}:0`, tls: material() });
    const echo = newClient({ tls: material() }).service(echoService, server.address);
    expect(await echo.who({})).toEqual({ who: 'there' });
    const attachment = Buffer.alloc(3_000_000, 7);
    expect((await echo.mirror({ pieces: 2 }, { attachment })).attachment.equals(attachment)).toBe(true);
    expect((await there.count()).channels).toBe(1);
    const stranger = newClient({ tls: new TestMaterial(authority.cert, {}) }).service(echoService, server.address);
    await expect(stranger.whoOnce({})).rejects.toMatchObject({
      code: 'Unavailable',
      reason: expect.stringMatching(/certificate is missing/),
    });
    expect(handlers.calls).toBe(1);
  });

  test('is free for others while the reader of one channel has stopped', async () => {
    // It reads nothing at all of its socket: what is sent to it fills the sockets and what the proxies hold, and then stands still.
    const sockets: Socket[] = [];
    const deaf = createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket.on('error', () => {})));
    deaf.listen(0, there.host);
    await once(deaf, 'listening');
    const stalled = openRaw(`tcp://${there.host}:${(deaf.address() as AddressInfo).port}`);
    cleanups.push(() => {
      stalled.destroy();
      for (const socket of sockets) socket.destroy();
      deaf.close();
    });
    const piece = Buffer.alloc(1024 * 1024);
    const sentBytesMax = 64 * piece.length;
    for (let bytes = 0; bytes < sentBytesMax; bytes += piece.length) stalled.write(piece);
    const takenBytes = (): number => stalled.bytesWritten - stalled.writableLength;
    await untilStill(takenBytes);
    expect(takenBytes()).toBeGreaterThan(0);
    expect(takenBytes()).toBeLessThan(sentBytesMax / 2);

    const { server } = await startServer();
    const echo = newClient().service(echoService, server.address);
    expect(await Promise.all(Array.from({ length: 200 }, (_, i) => echo.echo({ text: `${i}` })))).toHaveLength(200);
    const attachment = Buffer.alloc(8 * 1024 * 1024, 1);
    expect((await echo.mirror({ pieces: 1 }, { attachment })).attachment.length).toBe(attachment.length);
    expect((await there.count()).channels).toBe(2);
  });
});

/** A channel as bytes. */
function openRaw(address: string): Socket {
  const outbox = new Outbox();
  outbox.push({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody(openingOf(address)) });
  const socket = connect({ path: pathOf(here) }).on('error', () => {});
  socket.write(Buffer.concat(outbox.take()));
  return socket;
}

/** Nothing tells that nothing more will happen, so it is looked at until several looks saw the same. */
async function untilStill(look: () => number): Promise<void> {
  let seen = -1;
  let looks = 0;
  const still = (): number => {
    const now = look();
    looks = now === seen ? looks + 1 : 0;
    seen = now;
    return looks;
  };
  await expect.poll(still, { timeout: 20_000, interval: 50 }).toBeGreaterThan(10);
}

const pathOf = ({ proxy }: Machine): string => proxy.slice('unix://'.length);

describe('what a proxy does not open', () => {
  test('for another machine: anything but its own hosts', async () => {
    const client = createKuafuClient();
    cleanups.push(() => client.close());
    const { server } = await startServer({ address: 'tcp://127.0.0.1:0' });
    const { address } = there.asRemote();
    for (const target of [
      server.address,
      `tcp://${here.host}:80`,
      'tcp://localhost:5432',
      'unix:///etc/passwd',
      'mem://x',
      `tcp://${there.host}:0`,
    ])
      await expect(client.service(kuafuProxyService, address).open({ address: target }).reply).rejects.toMatchObject({
        code: 'PermissionDenied',
      });
    await expect(client.service(kuafuProxyService, address).open({ address: 'nonsense' }).reply).rejects.toMatchObject({
      code: 'InvalidRequest',
    });
  });

  test('for a process: what nobody answers at is told as such, at once', async () => {
    const { server } = await startServer();
    await server.close();
    const echo = newClient().service(echoService, server.address);
    await expect(echo.whoOnce({})).rejects.toMatchObject({
      code: 'Unavailable',
      reason: expect.stringMatching(/nobody answers at 127.0.1.2/),
    });
  });

  test('for whoever does not say what it wants, or speaks to it as to a server', async () => {
    const client = createKuafuClient();
    cleanups.push(() => client.close());
    await expect(client.service(echoService, here.proxy).who({})).rejects.toMatchObject({
      code: 'Unavailable',
      reason: expect.stringMatching(/proxy of the machine/),
    });
    for (const nonsense of [
      Buffer.alloc(64, 0xff),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ]) {
      const socket = connect({ path: pathOf(here) });
      socket.write(nonsense);
      socket.resume();
      await once(socket, 'close');
    }
    await untilChannels(here, 0);
  });
});

describe('a proxy that stands still', () => {
  test.each(['tcp', 'tls'] as const)(
    'holds up one connection for a moment; the others are made directly until it answers again (%s)',
    async (scheme) => {
      const authority = scheme === 'tls' ? new TestAuthority() : undefined;
      cleanups.push(() => authority?.close());
      const tls = authority && new TestMaterial(authority.cert, authority.issue(`IP:${there.host}`));
      const servers = await Promise.all([1, 2, 3].map((i) => startServer({ address: `${scheme}://${there.host}:0`, tls }, `server ${i}`)));
      let laterMs = 0;
      const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + laterMs };
      const client = newClient({ tls, clock });
      const ask = (i: number) => client.service(echoService, servers[i]!.server.address).who({}, { timeoutMs: 3_000 });
      here.signal('SIGSTOP');
      cleanups.push(() => here.signal('SIGCONT'));
      expect(await ask(0)).toEqual({ who: 'server 1' });
      const startedMs = performance.now();
      expect(await ask(1)).toEqual({ who: 'server 2' });
      expect(performance.now() - startedMs).toBeLessThan(1_000);
      here.signal('SIGCONT');
      await expect
        .poll(
          async () => {
            laterMs += 6_000; // it is asked again only now and then
            const { server } = await startServer({ address: `${scheme}://${there.host}:0`, tls });
            await client.service(echoService, server.address).who({});
            return (await here.count()).channels;
          },
          { timeout: 10_000, interval: 50 },
        )
        .toBeGreaterThan(0);
    },
  );
});

describe('a proxy that stands still with calls under way through it', () => {
  test.each([
    ['here', here],
    ['there', there],
  ])(
    '(%s): after 3 s of silence those that may be made again go around it, and the others are answered once it goes on',
    async (where, machine) => {
      const [first, second] = await Promise.all([startServer({}, 'first'), startServer({}, 'second')]);
      const client = newClient();
      const echo = client.service(echoService, first.server.address);
      const other = client.service(echoService, second.server.address);
      expect(await other.who({})).toEqual({ who: 'second' });
      const again = echo.waitAgain({ name: 'again' });
      const once = echo.wait({ name: 'once' });
      await first.handlers.untilWaiting(2);
      machine.signal('SIGSTOP');
      cleanups.push(() => machine.signal('SIGCONT'));
      const startedMs = performance.now();
      expect(await Promise.all([echo.who({}), echo.who({})])).toEqual([{ who: 'first' }, { who: 'first' }]);
      expect(performance.now() - startedMs).toBeLessThan(6_000);
      // What may run once takes the new connection as well, if it was not sent before.
      expect(await echo.whoOnce({}, { timeoutMs: 1_000 })).toEqual({ who: 'first' });
      await expect.poll(() => first.handlers.calls, { interval: 20 }).toBe(6); // the one under way was made anew
      for (const { release } of first.handlers.waiting.values()) release();
      expect(await again).toMatchObject({ remainingMs: expect.any(Number) });
      if (where === 'here') {
        // The proxy was asked and did not answer: other connections through it are left without a wait for their own silence.
        await expect
          .poll(
            async () => {
              const fromMs = performance.now();
              await other.who({});
              return performance.now() - fromMs;
            },
            { timeout: 10_000, interval: 20 },
          )
          .toBeLessThan(1_000);
      }
      machine.signal('SIGCONT');
      expect(await once).toMatchObject({ remainingMs: expect.any(Number) });
    },
  );
});

describe('a proxy that goes', () => {
  afterEach(async () => {
    for (const machine of machines.all) if (!machine.running) await machine.startProxy();
    await machines.introduce();
  });

  test.each([
    ['here', here],
    ['there', there],
  ])('is killed %s: calls under way break, the next go without it, and once it is back new channels go through it', async (_, machine) => {
    const { server, handlers } = await startServer();
    const echo = newClient().service(echoService, server.address);
    const waiting = echo.wait({ name: 'a' });
    waiting.catch(() => {});
    await handlers.untilWaiting(1);
    await machine.killProxy();
    await expect(waiting).rejects.toMatchObject({ code: 'Unavailable' });
    await handlers.untilAborted(1);
    expect(await echo.who({})).toEqual({ who: 'there' });
    expect(await newClient().service(echoService, server.address).whoOnce({})).toEqual({ who: 'there' });

    await machine.startProxy();
    await machines.introduce();
    const before = (await there.count()).channels;
    expect(await newClient().service(echoService, server.address).who({})).toEqual({ who: 'there' });
    expect((await there.count()).channels).toBe(before + 1);
  });

  test.each([
    ['here', here],
    ['there', there],
  ])('is restarted %s under load: no call fails, not even those that may run once', async (_, machine) => {
    const { server } = await startServer();
    const echo = newClient().service(echoService, server.address);
    const failures: unknown[] = [];
    let calls = 0;
    let goingOn = true;
    let onCall = (): void => {};
    const attachment = Buffer.alloc(200_000, 1);
    const callers = Array.from({ length: 16 }, async (_, i) => {
      while (goingOn) {
        const call = i % 4 === 0 ? echo.mirror({ pieces: 2 }, { attachment }) : i % 2 ? echo.who({}) : echo.whoOnce({});
        await call.catch((error: unknown) => failures.push(error));
        calls++;
        onCall();
      }
    });
    const untilMore = async (more: number): Promise<void> => {
      const wanted = calls + more;
      while (calls < wanted) await new Promise<void>((resolve) => (onCall = resolve));
    };
    await untilMore(200);
    expect((await machine.count()).channels).toBe(1);
    await machine.stopProxy();
    await untilMore(200);
    goingOn = false;
    await Promise.all(callers);
    expect(failures).toEqual([]);
  });
});

test('a process that is killed leaves no channel behind, and one whose server is killed hears of it', async () => {
  const child: ChildProcess = fork(new URL('../server-process.ts', import.meta.url), [`tcp://${there.host}:0`], {
    execArgv: ['--import', 'tsx'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  const echo = newClient().service(echoService, address);
  const call = echo.wait({ name: 'a' });
  call.catch(() => {});
  await once(child, 'message');
  child.kill('SIGKILL');
  await expect(call).rejects.toMatchObject({ code: 'Unavailable' });
  await untilChannels(here, 0);
  await untilChannels(there, 0);
});
