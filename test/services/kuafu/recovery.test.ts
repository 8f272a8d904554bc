import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer, Resolver } from '../../../services/kuafu/contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';

/** What a broken connection, a killed server and a list of instances do to calls: over real sockets and real processes. */
const cleanups: (() => unknown)[] = [];
/** Starting a process takes a second, and many on a busy machine. */
const PROCESS_TIMEOUT_MS = 60_000;
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startServer(who: string, address = 'tcp://127.0.0.1:0'): Promise<{ server: KuafuServer; handlers: EchoHandlers }> {
  const handlers = new EchoHandlers(who);
  const server = await serve({ guard: 'none', address, implementations: [handlers.implementation()] });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return { server, handlers };
}

async function startProcess(): Promise<{ child: ChildProcess; address: string }> {
  const child = fork(new URL('server-process.ts', import.meta.url), { execArgv: ['--import', 'tsx'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  return { child, address };
}

function newClient(resolver?: Resolver): KuafuClient {
  const client = createKuafuClient({ resolver });
  cleanups.push(() => client.close());
  return client;
}

class FakeResolver implements Resolver {
  readonly suspected: string[] = [];
  addresses: string[];

  constructor(addresses: string[]) {
    this.addresses = addresses;
  }

  async resolve(): Promise<string[]> {
    return this.addresses;
  }

  suspect(_address: string, tcpAddress: string): void {
    this.suspected.push(tcpAddress);
  }
}

test(
  'a server killed in mid-call breaks the call with Unavailable, and the next call too',
  async () => {
    const { child, address } = await startProcess();
    const echo = newClient().service(echoService, address);
    const call = echo.wait({ name: 'a' });
    call.catch(() => {});
    await once(child, 'message');
    child.kill('SIGKILL');
    await expect(call).rejects.toMatchObject({ name: 'KuafuError', code: 'Unavailable', details: { address } });
    await expect(echo.whoOnce({})).rejects.toMatchObject({ name: 'KuafuError', code: 'Unavailable' });
  },
  PROCESS_TIMEOUT_MS,
);

test(
  'an idempotent call goes on at another instance when the first is killed under it',
  async () => {
    const { child, address } = await startProcess();
    const resolver = new FakeResolver([address]);
    const echo = newClient(resolver).service(echoService, 'nuwa://test/echo/');
    const call = echo.waitAgain({ name: 'a' });
    await once(child, 'message');
    const { server, handlers } = await startServer('second');
    resolver.addresses = [address, server.address];
    child.kill('SIGKILL');
    await handlers.untilWaiting(1);
    handlers.waiting.get('a')!.release();
    await expect(call).resolves.toHaveProperty('remainingMs');
    expect(resolver.suspected).toContain(address);
  },
  PROCESS_TIMEOUT_MS,
);

test('a call that is not idempotent is not sent twice', async () => {
  const first = await startServer('first');
  const second = await startServer('second');
  const resolver = new FakeResolver([first.server.address]);
  const echo = newClient(resolver).service(echoService, 'nuwa://test/echo/');
  const call = echo.wait({ name: 'once' }, { timeoutMs: 2_000 });
  call.catch(() => {});
  await first.handlers.untilWaiting(1);
  resolver.addresses = [first.server.address, second.server.address];
  await first.server.close({ graceMs: 0 });
  await expect(call).rejects.toMatchObject({ code: 'Unavailable' });
  expect(second.handlers.calls).toBe(0);
});

test('a call that could not be sent yet goes to another instance, idempotent or not', async () => {
  const gone = await startServer('gone');
  await gone.server.close();
  const { server } = await startServer('there');
  const resolver = new FakeResolver([gone.server.address, server.address]);
  const echo = newClient(resolver).service(echoService, 'nuwa://test/echo/');
  for (let i = 0; i < 4; i++) expect(await echo.whoOnce({})).toEqual({ who: 'there' });
  expect(resolver.suspected).toContain(gone.server.address);
});

test('calls go round over the instances of a service', async () => {
  const servers = await Promise.all(['a', 'b', 'c'].map((who) => startServer(who)));
  const echo = newClient(new FakeResolver(servers.map(({ server }) => server.address))).service(echoService, 'nuwa://test/echo/');
  const replies: string[] = [];
  for (let i = 0; i < 6; i++) replies.push((await echo.who({})).who);
  expect(replies.slice(0, 3).toSorted()).toEqual(['a', 'b', 'c']);
  expect(replies.slice(3)).toEqual(replies.slice(0, 3));
});

test('a call to a service nobody has registered yet waits for one, as long as it may', async () => {
  const resolver = new FakeResolver([]);
  const echo = newClient(resolver).service(echoService, 'nuwa://test/echo/');
  const call = echo.whoOnce({});
  const { server } = await startServer('late');
  resolver.addresses = [server.address];
  await expect(call).resolves.toEqual({ who: 'late' });
  resolver.addresses = [];
  await expect(echo.whoOnce({}, { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'Unavailable',
    reason: expect.stringMatching(/no instance/),
  });
});

test('an instance that closes hands its callers on without an error', async () => {
  const first = await startServer('first');
  const second = await startServer('second');
  const resolver = new FakeResolver([first.server.address, second.server.address]);
  const echo = newClient(resolver).service(echoService, 'nuwa://test/echo/');
  let closing: Promise<void> | undefined;
  let calls = 0;
  const callers = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 50; i++) {
      await echo.whoOnce({});
      if (++calls === 100) closing = first.server.close();
    }
  });
  await Promise.all(callers);
  await closing;
  expect(first.handlers.calls).toBeGreaterThan(20);
  expect(first.handlers.calls + second.handlers.calls).toBe(400);
});

test('a server that comes back at its address is found again', async () => {
  const first = await startServer('first');
  const echo = newClient().service(echoService, first.server.address);
  expect(await echo.whoOnce({})).toEqual({ who: 'first' });
  await first.server.close();
  await expect(echo.whoOnce({})).rejects.toMatchObject({ code: 'Unavailable' });
  await startServer('again', first.server.address);
  await expect
    .poll(() =>
      echo.who({}).then(
        ({ who }) => who,
        () => undefined,
      ),
    )
    .toBe('again');
});

test('a resolver that fails is Unavailable, and one that hangs ends with the deadline, the signal or the client', async () => {
  const failing = newClient({ resolve: () => Promise.reject(new Error('Nuwa is away')), suspect: () => {} });
  const one = failing.service(echoService, 'nuwa://test/echo/one');
  await expect(one.who({})).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/Nuwa is away/) });

  const hanging = newClient({ resolve: () => new Promise(() => {}), suspect: () => {} });
  const echo = hanging.service(echoService, 'nuwa://test/echo/');
  await expect(echo.who({}, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  const controller = new AbortController();
  const aborted = echo.who({}, { signal: controller.signal });
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: 'Cancelled' });
  const left = echo.who({});
  left.catch(() => {});
  await hanging.close();
  await expect(left).rejects.toMatchObject({ code: 'Unavailable' });
});

test('an address that is none, or that needs a resolver, is refused where it is given', () => {
  const client = newClient();
  expect(() => client.service(echoService, 'http://127.0.0.1:80')).toThrow(/not an address/);
  expect(() => client.service(echoService, 'tcp://127.0.0.1:99999')).toThrow(/not an address/);
  expect(() => client.service(echoService, 'nuwa://test/echo/')).toThrow(/resolver/);
});

test.each(['close', 'leave'])(
  'a process that has made its calls ends by itself (%s)',
  async (how) => {
    const { server } = await startServer('parent');
    const child = spawn(process.execPath, ['--import', 'tsx', new URL('client-process.ts', import.meta.url).pathname, server.address, how]);
    cleanups.push(() => child.kill('SIGKILL'));
    let output = '';
    let repliedAtMs = 0;
    child.stdout.on('data', (chunk) => {
      output += chunk;
      repliedAtMs = performance.now();
    });
    const [code] = await once(child, 'close');
    expect({ code, output }).toEqual({ code: 0, output: 'hello' });
    // Sooner than any timer of Kuafu's that might have held it: the watch for silent peers looks after 5 s.
    expect(performance.now() - repliedAtMs).toBeLessThan(4_000);
  },
  PROCESS_TIMEOUT_MS,
);
