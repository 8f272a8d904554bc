import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer, ServiceClient } from '../../../services/kuafu/contract.ts';
import { KuafuError } from '../../../services/kuafu/contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import type { TlsMaterial } from '../../../services/kuafu/tls-contract.ts';
import { EchoError, EchoHandlers, echoService } from './echo.ts';
import { describeStreams } from './streams.suite.ts';

/** What calls promise, over any transport. `listen`: an address nobody listens at yet; `tls`: what both sides show there; `proxy`: what the client goes through. */
export function describeTransport(name: string, listen: () => string, tls?: TlsMaterial, proxy?: string): void {
  describeStreams(name, listen, tls, proxy);
  describe(`calls over ${name}`, () => {
    let handlers: EchoHandlers;
    let server: KuafuServer;
    let client: KuafuClient;
    let echo: ServiceClient<typeof echoService>;

    beforeEach(async () => {
      handlers = new EchoHandlers();
      server = await serve({ guard: 'none', address: listen(), implementations: [handlers.implementation()], tls });
      client = createKuafuClient({ tls, proxy });
      echo = client.service(echoService, server.address);
    });

    afterEach(async () => {
      await client.close();
      await server.close({ graceMs: 0 });
    });

    test('a reply is what the handler returned, with the defaults of the schema filled in', async () => {
      expect(await echo.echo({ text: 'hello' })).toEqual({ text: 'hello' });
      expect(await echo.echo({ text: 'é飞', times: 3 })).toEqual({ text: 'é飞é飞é飞' });
      expect(await echo.nothing()).toBeUndefined();
    });

    test('many calls at once each get their own reply', async () => {
      const texts = Array.from({ length: 1_000 }, (_, i) => `text ${i}`);
      const replies = await Promise.all(texts.map((text) => echo.echo({ text })));
      expect(replies.map(({ text }) => text)).toEqual(texts);
    });

    test('binaries in a body come back as bytes', async () => {
      const bytes = randomBytes(3_000);
      const reply = await echo.blob({ bytes });
      expect(Buffer.compare(reply.bytes, bytes)).toBe(0);
    });

    test.each([0, 1, 4_096, 65_519, 65_536, 1_048_577, 20 * 1024 * 1024])(
      'an attachment of %i bytes arrives as it was, both ways',
      async (length) => {
        const attachment = randomBytes(length);
        const { body, attachment: mirrored } = await echo.mirror({ pieces: 1 }, { attachment });
        expect(body.length).toBe(length);
        expect(Buffer.compare(mirrored, attachment)).toBe(0);
      },
    );

    test('an attachment in pieces arrives as one', async () => {
      const pieces = [randomBytes(10), new Uint8Array(0), randomBytes(100_000), randomBytes(1), randomBytes(70_000)];
      const { attachment } = await echo.mirror({ pieces: 7 }, { attachment: pieces });
      expect(Buffer.compare(attachment, Buffer.concat(pieces))).toBe(0);
    });

    test('large and small calls share a connection', async () => {
      const attachments = Array.from({ length: 12 }, (_, i) => randomBytes(700_000 + i));
      const large = attachments.map((attachment) => echo.mirror({ pieces: 2 }, { attachment }));
      const small = await Promise.all(Array.from({ length: 50 }, (_, i) => echo.echo({ text: `${i}` })));
      expect(small.map(({ text }) => Number(text))).toEqual(Array.from({ length: 50 }, (_, i) => i));
      const mirrored = await Promise.all(large);
      for (const [i, { attachment }] of mirrored.entries()) expect(Buffer.compare(attachment, attachments[i]!)).toBe(0);
    });

    test("a handler's typed error arrives as the contract's own class, with code, reason and details", async () => {
      const error = await echo.fail({ how: 'typed' }).catch((caught) => caught);
      expect(error).toBeInstanceOf(EchoError);
      expect(error).toMatchObject({
        name: 'EchoError',
        code: 'NotToday',
        reason: 'come back tomorrow',
        details: { day: 'monday', seats: [1, 2] },
      });
      expect(error.message).toBe('NotToday: come back tomorrow');
    });

    test('errors of other kinds arrive as KuafuError', async () => {
      await expect(echo.fail({ how: 'kuafu' })).rejects.toMatchObject({
        name: 'KuafuError',
        code: 'Unavailable',
        reason: 'behind me nobody answered',
      });
      await expect(echo.fail({ how: 'bug' })).rejects.toMatchObject({
        name: 'KuafuError',
        code: 'Internal',
        reason: expect.not.stringContaining('x is not a function'),
        details: { logged: expect.stringMatching(/^[0-9a-f]{12}$/) },
      });
      await expect(echo.fail({ how: 'sync' })).rejects.toMatchObject({ name: 'KuafuError', code: 'Internal' });
      await expect(echo.fail({ how: 'foreign' })).rejects.toMatchObject({
        code: 'Internal',
        details: { error: { name: 'ForeignError', code: 'Strange' } },
      });
      await expect(echo.fail({ how: 'details' })).rejects.toMatchObject({ name: 'EchoError', code: 'Other', details: {} });
    });

    test('a request that does not fit its schema is refused with the path of what is wrong', async () => {
      const error = await echo.echo({ text: 7 as never }).catch((caught) => caught);
      expect(error).toMatchObject({ name: 'KuafuError', code: 'InvalidRequest' });
      expect(error.details.issues).toEqual([{ path: 'text', message: expect.stringMatching(/string/) }]);
      expect(handlers.calls).toBe(0);
    });

    test('a reply that does not fit its schema is the server having failed', async () => {
      await expect(echo.wrong({})).rejects.toMatchObject({ code: 'Internal', reason: expect.stringMatching(/does not fit: number/) });
    });

    test('a request that cannot be sent is refused at once', async () => {
      await expect(echo.echo({ text: Symbol('s') as never })).rejects.toMatchObject({ code: 'InvalidRequest' });
      await expect(echo.mirror({ pieces: 1 }, { attachment: Buffer.alloc(65 * 1024 * 1024) })).rejects.toMatchObject({
        code: 'InvalidRequest',
      });
      await expect(echo.echo({ text: 'still there' })).resolves.toEqual({ text: 'still there' });
    });

    test('a service or method that is not there is Unimplemented', async () => {
      const elsewhere = client.service({ ...echoService, name: 'other' }, server.address);
      await expect(elsewhere.echo({ text: '' })).rejects.toMatchObject({ code: 'Unimplemented' });
      const methods = { ...echoService.methods, constructor: echoService.methods.echo };
      const stranger = client.service({ ...echoService, methods }, server.address);
      await expect(stranger.constructor({ text: '' })).rejects.toMatchObject({ code: 'Unimplemented' });
    });

    test('a deadline ends the call at both ends', async () => {
      await echo.nothing(); // 60 ms are for the call, not for a connection
      await expect(echo.wait({ name: 'a' }, { timeoutMs: 60 })).rejects.toMatchObject({ name: 'KuafuError', code: 'DeadlineExceeded' });
      await handlers.untilAborted(1);
      expect(handlers.aborted[0]!.reason).toBeInstanceOf(KuafuError);
    });

    test('the handler sees what is left of the deadline', async () => {
      const call = echo.wait({ name: 'a' }, { timeoutMs: 5_000 });
      await handlers.untilWaiting(1);
      handlers.waiting.get('a')!.release();
      const { remainingMs } = await call;
      expect(remainingMs).toBeGreaterThan(1_000);
      expect(remainingMs).toBeLessThanOrEqual(5_000);
    });

    test('cancelling reaches the signal of the handler, and only that one', async () => {
      const controller = new AbortController();
      const cancelled = echo.wait({ name: 'cancelled' }, { signal: controller.signal });
      const other = echo.wait({ name: 'other' });
      await handlers.untilWaiting(2);
      controller.abort(new Error('changed my mind'));
      await expect(cancelled).rejects.toMatchObject({ name: 'KuafuError', code: 'Cancelled', cause: { message: 'changed my mind' } });
      await handlers.untilAborted(1);
      expect(handlers.aborted).toMatchObject([{ name: 'cancelled', reason: { code: 'Cancelled' } }]);
      handlers.waiting.get('other')!.release();
      await other;
    });

    test('a call whose signal is aborted already is never sent', async () => {
      await expect(echo.who({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'Cancelled' });
      await echo.echo({ text: '' });
      expect(handlers.calls).toBe(0);
    });

    test('calls under way finish when the server closes, and new ones are refused', async () => {
      const call = echo.wait({ name: 'last' });
      await handlers.untilWaiting(1);
      const closing = server.close();
      await expect(echo.whoOnce({})).rejects.toMatchObject({ code: 'Unavailable' });
      handlers.waiting.get('last')!.release();
      await expect(call).resolves.toHaveProperty('remainingMs');
      await closing;
      expect(handlers.aborted).toEqual([]);
    });

    test('calls that do not finish in the grace break, and their handlers are told', async () => {
      const call = echo.wait({ name: 'endless' });
      call.catch(() => {});
      await handlers.untilWaiting(1);
      await server.close({ graceMs: 10 });
      await expect(call).rejects.toMatchObject({ code: 'Unavailable' });
      await handlers.untilAborted(1);
    });

    test("closing the client breaks its calls and tells the server's handlers", async () => {
      const call = echo.wait({ name: 'mine' });
      call.catch(() => {});
      await handlers.untilWaiting(1);
      await client.close();
      await expect(call).rejects.toMatchObject({ code: 'Unavailable' });
      await handlers.untilAborted(1);
      await expect(echo.who({})).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/client is closed/) });
    });

    test('a server past its bounds refuses, with a hint when to come back, and serves on', async () => {
      await server.close();
      const bounded = new EchoHandlers();
      server = await serve({ guard: 'none', address: listen(), implementations: [bounded.implementation()], tls, limits: { callsMax: 2 } });
      echo = client.service(echoService, server.address);
      const under = [echo.wait({ name: 'a' }), echo.wait({ name: 'b' })];
      await bounded.untilWaiting(2);
      const error = await echo.whoOnce({}).catch((caught) => caught);
      expect(error).toMatchObject({ name: 'KuafuError', code: 'Overloaded' });
      expect(error.details.retryAfterMs).toBeGreaterThan(0);
      for (const { release } of bounded.waiting.values()) release();
      await Promise.all(under);
      await expect(echo.whoOnce({})).resolves.toEqual({ who: 'echo' });
    });

    test('a call refused as Overloaded never ran, so it is tried again while there is time', async () => {
      await server.close();
      const bounded = new EchoHandlers();
      server = await serve({
        guard: 'none',
        address: listen(),
        implementations: [bounded.implementation()],
        tls,
        limits: { callsPerConnectionMax: 1 },
      });
      echo = client.service(echoService, server.address);
      const under = echo.wait({ name: 'a' });
      await bounded.untilWaiting(1);
      const refused = echo.whoOnce({});
      bounded.waiting.get('a')!.release();
      await under;
      await expect(refused).resolves.toEqual({ who: 'echo' });
      expect(bounded.calls).toBe(2);
    });

    test('nobody at the address is Unavailable, soon', async () => {
      await server.close();
      await expect(echo.whoOnce({})).rejects.toMatchObject({ name: 'KuafuError', code: 'Unavailable' });
    });
  });
}
