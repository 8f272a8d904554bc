import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { AnyMethod, Implementation, KuafuClient, KuafuServer, ServiceContract } from '../../../services/kuafu/contract.ts';
import { reflectionService } from '../../../services/kuafu/reflection-contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { requestFor } from './example-request.ts';
import { TestGuard, TestIdentity } from './guard-under-test.ts';

/**
 * Every method of every service, found in the contracts' files, so that a new one cannot be forgotten: it says who may call it, and a server with a
 * guard lets nobody else come as far as its handler.
 */
const SERVICES = new URL('../../../services/', import.meta.url);
const CLUSTER = 'local';

async function contractsOfServices(): Promise<ServiceContract[]> {
  const files = readdirSync(fileURLToPath(SERVICES), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(^|[/-])contract\.ts$/.test(file),
  );
  const modules = await Promise.all(files.map((file) => import(new URL(file, SERVICES).href) as Promise<Record<string, unknown>>));
  return [...new Set(modules.flatMap((module) => Object.values(module)).filter(isContract))];
}

function isContract(value: unknown): value is ServiceContract {
  return typeof value === 'object' && value !== null && 'methods' in value && 'errors' in value && 'name' in value;
}

const contracts = await contractsOfServices();
const methods = contracts.flatMap((contract) =>
  Object.entries(contract.methods).map(([name, method]) => ({ contract, name, method, what: `${contract.name}.${name}` })),
);
/** What may be called by whoever comes; each with its reason where it is declared. */
const OPEN = ['kuafu.health', 'zhongkui-join.join', 'zhongkui-join.renew'];

const guard = new TestGuard();
const reached: string[] = [];
const nobody = createKuafuClient();
const known = createKuafuClient({ identity: new TestIdentity('user/known', 'read kuafu://elsewhere/') });
const able = createKuafuClient({
  identity: new TestIdentity(
    'user/able',
    ...['pangu', 'nuwa', 'fuxi', 'dayu', 'shennong', 'zhongkui', 'kuafu'].flatMap((scheme) =>
      ['read', 'write', 'run', 'admin', 'peer'].map((operation) => `${operation} ${scheme}://${CLUSTER}/`),
    ),
  ),
});
let server: KuafuServer;

/** Handlers that only tell that they were reached. */
function recording(contract: ServiceContract): Implementation {
  const handler = (name: string) => async () => {
    reached.push(`${contract.name}.${name}`);
    throw new Error('reached');
  };
  return { contract, handlers: Object.fromEntries(Object.keys(contract.methods).map((name) => [name, handler(name)])) };
}

async function call(
  client: KuafuClient,
  { contract, name, method }: (typeof methods)[number],
): Promise<{ code: string; reached: boolean }> {
  reached.length = 0;
  const service = client.service(contract, server.address) as Record<string, (request: unknown) => unknown>;
  const calling = service[name]!(requestFor(method.request as z.ZodType));
  const reply = method.kind === 'unary' ? calling : (calling as { reply: unknown }).reply;
  const code = await Promise.resolve(reply).then(
    () => 'OK',
    (error: { code?: string }) => error.code ?? String(error),
  );
  return { code, reached: reached.includes(`${contract.name}.${name}`) };
}

beforeAll(async () => {
  const implementations = contracts.filter(({ name }) => name !== reflectionService.name).map(recording);
  server = await serve({ address: 'mem://access', guard, cluster: CLUSTER, implementations });
});
afterAll(async () => {
  for (const client of [nobody, known, able]) await client.close();
  await server.close({ graceMs: 0 });
});

test('the contracts of all services are found', () => {
  const names = contracts.map(({ name }) => name).sort();
  expect(names).toEqual(
    expect.arrayContaining([
      'dayu-agent',
      'dayu-master',
      'fuxi-master',
      'kuafu',
      'nuwa',
      'nuwaPeer',
      'pangu-chunk',
      'pangu-master',
      'shennong',
      'tubo',
    ]),
  );
  expect(new Set(names).size).toBe(names.length);
});

describe.each(methods)('$what', (each) => {
  const { method, what } = each;
  const access = (method as AnyMethod).access;

  test('says who may call it', () => {
    expect(access).toBeDefined();
    expect(access === 'open').toBe(OPEN.includes(what));
  });

  if (access === 'open') return;

  test('is refused without an identity', async () => {
    expect(await call(nobody, each)).toEqual({ code: 'Unauthenticated', reached: false });
    expect(guard.log.at(-1)).toMatch(`refused nobody ${what}`);
  });

  if (access === 'identified') {
    test('is answered to whoever is identified', async () => {
      const isOwn = what === 'kuafu.describe';
      expect(await call(known, each)).toEqual(isOwn ? { code: 'OK', reached: false } : { code: 'Internal', reached: true });
      expect(guard.log.at(-1)).toBe(`allowed user/known ${what} identified`);
    });
    return;
  }

  test('is refused without the capability, and not with it', async () => {
    expect(await call(known, each)).toEqual({ code: 'PermissionDenied', reached: false });
    expect(guard.log.at(-1)).toMatch(new RegExp(`^refused user/known ${what} ${access!.operation} [a-z]+://${CLUSTER}/`));
    expect(await call(able, each)).toEqual({ code: 'Internal', reached: true });
  });

  test('asks of names of this cluster that have one form', () => {
    const resources = [access!.on(requestFor(method.request as z.ZodType) as never, CLUSTER)].flat();
    expect(resources.length).toBeGreaterThan(0);
    for (const resource of resources)
      expect(resource).toMatch(/^(pangu|nuwa|fuxi|dayu|shennong|zhongkui|kuafu):\/\/local\/([^/]+(\/[^/]+)*)?$/);
  });
});

test.each([
  ['pangu-master', 'stat', { path: '/a/../b' }, 'EINVAL'],
  ['pangu-master', 'stat', { path: '/a//b' }, 'EINVAL'],
  ['pangu-master', 'stat', { path: 'pangu://other/a' }, 'EINVAL'],
  ['pangu-master', 'rename', { requestId: 'r', from: '/a', to: '/./b' }, 'EINVAL'],
  ['pangu-master', 'publish', { publishId: 'p', publications: [{ directory: '/a', files: [{ from: '/b', name: '../c' }] }] }, 'EINVAL'],
  ['nuwa', 'get', { path: '/a/..' }, 'BadPath'],
  ['nuwa', 'get', { path: 'a' }, 'BadPath'],
  ['nuwa', 'transact', { session: 's', request: 1, settled: 0, operations: [{ kind: 'delete', path: '/a/' }] }, 'BadPath'],
  ['tubo', 'attempts', { runId: '../x' }, 'InvalidRequest'],
  ['tubo', 'attempts', { runId: 'a/b' }, 'InvalidRequest'],
  ['fuxi-master', 'exchange', { quotaGroup: '..' }, 'InvalidRequest'],
])('%s.%s of %j, which is no name, is refused, never repaired', async (service, name, request, code) => {
  const contract = contracts.find((each) => each.name === service)!;
  const whole = { ...(requestFor(contract.methods[name]!.request) as object), ...request };
  const client = able.service(contract, server.address) as Record<string, (request: unknown) => Promise<unknown>>;
  reached.length = 0;
  await expect(client[name]!(whole)).rejects.toMatchObject({ code });
  expect(reached).toEqual([]);
  expect(guard.log.at(-1)).toMatch(`refused user/able ${service}.${name}`);
});
