import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeBody, encodeBody } from '../../../services/kuafu/codec.ts';
import { FRAME_KINDS, type Frame } from '../../../services/kuafu/core/frame.ts';
import { MAGIC, VERSION } from '../../../services/kuafu/core/messages.ts';
import type { Channel, OutgoingFrame } from '../../../services/kuafu/transport.ts';
import { TestIdentity } from './guard-under-test.ts';
import { Guarded, turns } from './guarded.ts';

/** Frames as somebody would write them who means harm, or who wrote a client of their own. */
let world: Guarded;
beforeEach(async () => {
  world = await new Guarded().start();
});
afterEach(async () => {
  expect(await world.client(new TestIdentity('user/alive')).service.me({})).toEqual({ who: 'user/alive' });
  await world.stop();
});

async function dial() {
  const channel: Channel = await world.network.transport('raw').connect('mem://s', AbortSignal.timeout(5_000));
  const frames: { kind: number; id: number; body: unknown }[] = [];
  let closed: string | undefined;
  channel.start({
    frame: ({ kind, id, body }: Frame) => frames.push({ kind, id, body: decodeBody(Buffer.from(body)) }),
    violated: () => {},
    closed: (reason) => {
      closed = reason;
    },
  });
  const send = (frame: Omit<OutgoingFrame, 'id'> & { id?: number }): void => channel.send({ id: 0, ...frame });
  send({ kind: FRAME_KINDS.hello, body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: 65_536 }) });
  await turns(6);
  const hello = frames[0]!.body as { cluster: string; nonce: Uint8Array };
  const identify = (slot: number, body: unknown): void => send({ kind: FRAME_KINDS.identify, id: slot, body: encodeBody(body) });
  const request = (id: number, slot: number, method = 'me'): void =>
    send({ kind: FRAME_KINDS.request, id, number: slot, body: encodeBody(['guarded', method, 5_000, {}]) });
  const answers = () => frames.filter(({ kind }) => kind === FRAME_KINDS.reply || kind === FRAME_KINDS.error);
  return { frames, hello, send, identify, request, answers, closed: () => closed };
}

const credentials = (name: string, hello: { cluster: string; nonce: Uint8Array }): unknown => {
  const { token, proof } = new TestIdentity(name).present(hello);
  return [token, proof];
};

test('a hello of a server with a guard carries its cluster and 32 bytes', async () => {
  const { hello } = await dial();
  expect(hello.cluster).toBe('local');
  expect(hello.nonce).toHaveLength(32);
});

test('a request needs no reply to its credentials: both may be sent at once', async () => {
  const { hello, identify, request, answers } = await dial();
  identify(1, credentials('user/a', hello));
  request(7, 1);
  await turns(8);
  expect(answers()).toEqual([{ kind: FRAME_KINDS.reply, id: 7, body: { who: 'user/a' } }]);
});

test('a slot means what it was last given, and nothing before that', async () => {
  const { hello, identify, request, answers } = await dial();
  request(1, 3);
  identify(3, credentials('user/a', hello));
  request(2, 3);
  identify(3, credentials('user/b', hello));
  request(3, 3);
  identify(3, credentials('forged', hello));
  request(4, 3);
  await turns(8);
  expect(answers().map(({ body }) => body)).toEqual([
    expect.objectContaining({ code: 'Unauthenticated', details: { cause: 'NotIdentified' } }),
    { who: 'user/a' },
    { who: 'user/b' },
    expect.objectContaining({ code: 'Unauthenticated', details: { cause: 'TokenForged' } }),
  ]);
});

test.each([
  ['for slot 0', (id: unknown) => [0, id]],
  ['for a slot beyond the last', (id: unknown) => [1_025, id]],
  ['without a proof', () => [1, ['token']]],
  ['with a text as proof', () => [1, ['token', 'proof']]],
  ['that are a map', () => [1, { token: 'a' }]],
  ['that are too large', () => [1, ['x'.repeat(33_000), new Uint8Array(64)]]],
] as [string, (id: unknown) => [number, unknown]][])('credentials %s end the connection', async (_name, make) => {
  const { hello, identify, frames, closed } = await dial();
  identify(...make(credentials('user/a', hello)));
  await turns(10);
  expect(frames.at(-1)).toMatchObject({ kind: FRAME_KINDS.goAway, body: { reason: expect.stringContaining('credentials') } });
  expect(closed()).toBeDefined();
});

test('whatever credentials say, nobody comes in with them, and the server lives', async () => {
  const anything = fc.oneof(fc.tuple(fc.string(), fc.uint8Array({ maxLength: 100 })), fc.anything({ maxDepth: 2 }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 1_030 }), anything), { maxLength: 5 }), async (attempts) => {
      const { identify, request, answers } = await dial();
      for (const [slot, body] of attempts) {
        try {
          identify(slot, body);
        } catch {
          continue; // no MessagePack has a form for it
        }
        request(slot + 1, slot);
      }
      await turns(10);
      for (const { body } of answers()) expect(body).toMatchObject({ code: 'Unauthenticated' });
      expect(world.reached).toEqual([]);
    }),
    { numRuns: 40 },
  );
  world.reached = [];
});

test('requests of a connection that broke while they waited are forgotten', async () => {
  let open!: () => void;
  world.guard.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { hello, identify, request } = await dial();
  identify(1, credentials('user/a', hello));
  for (let id = 1; id <= 10; id++) request(id, 1);
  await turns(6);
  world.network.cut('raw', 's');
  await turns(6);
  open();
  await turns(6);
  world.guard.gate = undefined;
  expect(world.reached).toEqual([]);
});
