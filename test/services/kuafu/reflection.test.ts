import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { decodeBody, encodeBody } from '../../../services/kuafu/codec.ts';
import { FRAME_KINDS, type Frame } from '../../../services/kuafu/core/frame.ts';
import { MAGIC, VERSION } from '../../../services/kuafu/core/messages.ts';
import { reflectionService } from '../../../services/kuafu/reflection-contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { masterService } from '../../../services/pangu/master-contract.ts';
import { TestIdentity } from './guard-under-test.ts';
import { Guarded, turns } from './guarded.ts';

let world: Guarded;
beforeEach(async () => {
  world = await new Guarded().start();
});
afterEach(() => world.stop());

test('a server describes its services and itself to whoever is identified', async () => {
  const { kuafu } = world.client(new TestIdentity('user/a'));
  const { services } = await kuafu.service(reflectionService, 'mem://s').describe({});
  expect(services.map(({ name }) => name)).toEqual(['guarded', 'kuafu']);
  expect(Object.fromEntries(services[0]!.methods.map(({ name, access }) => [name, access]))).toMatchObject({
    open: 'open',
    me: 'identified',
    read: 'read',
    unsaid: undefined,
  });
  expect(services[0]!.methods.find(({ name }) => name === 'read')).toEqual({
    name: 'read',
    kind: 'unary',
    idempotent: true,
    replyAttachment: false,
    access: 'read',
    request: { type: 'object', properties: { names: { type: 'array', items: { type: 'string' } } }, required: ['names'] },
    response: { type: 'object', properties: { who: { type: 'string' } }, required: ['who'], additionalProperties: false },
  });
  await expect(kuafu.service(reflectionService, 'mem://s').describe({ service: 'other' })).rejects.toMatchObject({ code: 'Unimplemented' });
});

test('nobody is told what a server offers, and anybody how it is', async () => {
  const service = world.client().kuafu.service(reflectionService, 'mem://s');
  await expect(service.describe({})).rejects.toMatchObject({ code: 'Unauthenticated' });
  expect(await service.health({})).toEqual({ services: { guarded: 'serving', kuafu: 'serving' } });
});

test('contracts with bytes, unions and defaults have a description', async () => {
  const contracts = [nuwaService, masterService] as never as { name: string; methods: Record<string, unknown> }[];
  const implementations = contracts.map((contract) => ({ contract, handlers: {} })) as never;
  const server = await serve({ address: 'mem://described', guard: 'none', implementations });
  const kuafu = createKuafuClient();
  const { services } = await kuafu.service(reflectionService, 'mem://described').describe({ service: 'nuwa' });
  expect(services).toHaveLength(1);
  expect(services[0]!.methods.map(({ name }) => name)).toEqual(Object.keys(nuwaService.methods));
  const set = services[0]!.methods.find(({ name }) => name === 'set')!;
  expect(set.request).toMatchObject({ properties: { value: {}, path: { type: 'string' } } });
  await kuafu.close();
  await server.close();
});

test('a server that is closing says so to whom is still there', async () => {
  const channel = await world.network.transport('raw').connect('mem://s', AbortSignal.timeout(5_000));
  const answers: unknown[] = [];
  channel.start({
    frame: ({ kind, body }: Frame) => kind === FRAME_KINDS.hello || answers.push(decodeBody(Buffer.from(body))),
    violated: () => {},
    closed: () => {},
  });
  channel.send({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: 65_536 }) });
  await turns(6);
  const closing = world.server.close();
  for (const [id, service, name] of [
    [1, 'kuafu', 'health'],
    [2, 'guarded', 'open'],
  ] as const)
    channel.send({ kind: FRAME_KINDS.request, id, body: encodeBody([service, name, 1_000, {}]) });
  await turns(8);
  expect(answers).toEqual([
    { reason: 'the server is closing' },
    { services: { guarded: 'draining', kuafu: 'draining' } },
    expect.objectContaining({ code: 'Unavailable', details: { notRun: true } }),
  ]);
  channel.close();
  await closing;
});
