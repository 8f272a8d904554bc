import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { SLOTS_MAX } from '../../../services/kuafu/core/identify.ts';
import type { Challenge } from '../../../services/kuafu/guard-contract.ts';
import { meters, totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { TestIdentity } from './guard-under-test.ts';
import { Guarded, guardedService, turns } from './guarded.ts';

/** Who calls, from the client that shows an identity to the handler that is told about it. */
let world: Guarded;
beforeEach(async () => {
  world = await new Guarded().start();
});
afterEach(() => world.stop());

function gateOf(): { gate: Promise<void>; open: () => void } {
  let open!: () => void;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { gate, open };
}

describe('a caller', () => {
  test('is who it showed itself to be, in every call, having shown itself once', async () => {
    const alice = new TestIdentity('user/alice');
    const { service } = world.client(alice);
    for (let i = 0; i < 5; i++) expect(await service.me({})).toEqual({ who: 'user/alice' });
    expect(alice.presented).toBe(1);
    expect(world.guard.admitted).toEqual(['user/alice']);
    expect(world.guard.log).toEqual(Array(5).fill('allowed user/alice guarded.me identified'));
  });

  test('without an identity is nobody, and comes as far as what is open', async () => {
    const { service } = world.client();
    expect(await service.open({})).toEqual({ who: 'nobody' });
    await expect(service.me({})).rejects.toMatchObject({ name: 'KuafuError', code: 'Unauthenticated' });
    await expect(service.read({ names: ['a'] })).rejects.toMatchObject({ code: 'Unauthenticated' });
    expect(world.reached).toEqual(['nobody']);
    expect(world.guard.log.slice(1)).toEqual(['refused nobody guarded.me identified', 'refused nobody guarded.read read']);
  });

  test('does only what it may, on every resource of the request', async () => {
    const { service } = world.client(new TestIdentity('user/alice', 'read pangu://local/a', 'read pangu://local/b'));
    expect(await service.read({ names: ['a', 'b'] })).toEqual({ who: 'user/alice' });
    await expect(service.read({ names: ['a', 'c'] })).rejects.toMatchObject({
      code: 'PermissionDenied',
      details: { operation: 'read', resource: 'pangu://local/c' },
    });
    expect(world.reached).toEqual(['user/alice']);
    expect(world.guard.log).toEqual([
      'allowed user/alice guarded.read read pangu://local/a',
      'allowed user/alice guarded.read read pangu://local/b',
      'refused user/alice guarded.read read pangu://local/c',
    ]);
  });

  test.each([
    ['read', { names: [] }, 'PermissionDenied', /finds nothing/],
    ['unsaid', {}, 'PermissionDenied', /says not who may call it/],
    ['broken', {}, 'Internal', /server's log has it/],
  ] as const)('is refused where the contract is at fault: %s', async (name, request, code, reason) => {
    const { service } = world.client(new TestIdentity('user/root', 'read pangu://local/'));
    await expect((service[name] as (request: unknown) => Promise<unknown>)(request)).rejects.toMatchObject({
      code,
      reason: expect.stringMatching(reason),
    });
    expect(world.reached).toEqual([]);
    expect(world.guard.log).toHaveLength(1);
  });

  test('whose request does not fit hears of that only if it may call at all', async () => {
    const bad = { names: 'a' } as never;
    await expect(world.client().service.read(bad)).rejects.toMatchObject({ code: 'Unauthenticated' });
    await expect(world.client(new TestIdentity('user/a')).service.read(bad)).rejects.toMatchObject({ code: 'InvalidRequest' });
  });
});

describe('one connection', () => {
  test('serves several identities, each call as its own', async () => {
    const { kuafu, service } = world.client(new TestIdentity('service/proxy'));
    const before = totals.clientConnections;
    const users = Array.from({ length: 20 }, (_, i) => new TestIdentity(`user/${i}`));
    const services = users.map((user) => kuafu.as(user).service(guardedService, 'mem://s'));
    const answers = await Promise.all([...services, service, ...services].map((each) => each.me({})));
    const names = users.map((_, i) => `user/${i}`);
    expect(answers.map(({ who }) => who)).toEqual([...names, 'service/proxy', ...names]);
    expect(totals.clientConnections).toBe(before + 1);
    expect(users.map(({ presented }) => presented)).toEqual(Array(20).fill(1));
    await kuafu.as(users[0]!).close();
    expect(await services[0]!.me({})).toEqual({ who: 'user/0' });
  });

  test('remembers a bounded number, and never takes the place of one whose call is under way', async () => {
    const { kuafu } = world.client();
    const as = (identity: TestIdentity) => kuafu.as(identity).service(guardedService, 'mem://s');
    const first = new TestIdentity('user/first');
    const second = new TestIdentity('user/second');
    const waiting = as(first).wait({});
    expect(await as(second).me({})).toEqual({ who: 'user/second' });
    for (let i = 0; i < SLOTS_MAX + 10; i++) expect(await as(new TestIdentity(`user/${i}`)).me({})).toEqual({ who: `user/${i}` });
    world.waiting[0]!.release();
    expect(await waiting).toEqual({ who: 'user/first' });
    expect(await as(first).me({})).toEqual({ who: 'user/first' });
    expect(first.presented).toBe(1);
    expect(await as(second).me({})).toEqual({ who: 'user/second' });
    expect(second.presented).toBe(2); // its place had been taken
  });
});

describe('new credentials', () => {
  test('are shown before the next call; calls under way go on as they began', async () => {
    const alice = new TestIdentity('user/alice');
    const { service } = world.client(alice);
    const waiting = service.wait({});
    expect(await service.me({})).toEqual({ who: 'user/alice' });
    alice.renew('user/alice2');
    expect(await service.me({})).toEqual({ who: 'user/alice2' });
    world.waiting[0]!.release();
    expect(await waiting).toEqual({ who: 'user/alice' });
    expect(alice.presented).toBe(2);
  });

  test('that come while a call is refused for its old ones are shown once, and the call goes on', async () => {
    const alice = new TestIdentity('user/alice');
    const { service } = world.client(alice);
    await service.me({});
    world.guard.ends.set('user/alice', 'the token expired');
    const refused = service.me({});
    await turns(1); // it is on its way
    alice.renew('user/alice2');
    expect(await refused).toEqual({ who: 'user/alice2' });
  });

  test('that do not come leave the call refused, and it is not sent again', async () => {
    const { service } = world.client(new TestIdentity('user/alice'));
    await service.me({});
    world.guard.ends.set('user/alice', 'the token expired');
    await expect(service.me({})).rejects.toMatchObject({ code: 'Unauthenticated', reason: expect.stringContaining('the token expired') });
    expect(world.guard.log.filter((line) => line.startsWith('refused'))).toHaveLength(1);
    expect(await service.open({})).toEqual({ who: 'user/alice' });
  });
});

describe('while an identity is looked at', () => {
  test('its calls wait, in order, and those of others do not', async () => {
    const { kuafu, service } = world.client(new TestIdentity('user/slow'));
    const quick = kuafu.as(new TestIdentity('user/quick')).service(guardedService, 'mem://s');
    await quick.me({});
    const { gate, open } = gateOf();
    world.guard.gate = gate;
    const calls = Promise.all(Array.from({ length: 50 }, () => service.me({})));
    expect(await quick.me({})).toEqual({ who: 'user/quick' });
    expect(world.reached).toEqual(['user/quick', 'user/quick']);
    open();
    expect(await calls).toEqual(Array(50).fill({ who: 'user/slow' }));
  });

  test('no more of its calls wait than may be under way', async () => {
    await world.stop();
    world = await new Guarded().start({ limits: { callsPerConnectionMax: 3 } });
    const { gate, open } = gateOf();
    world.guard.gate = gate;
    const { service } = world.client(new TestIdentity('user/slow'));
    const calls = Array.from({ length: 5 }, () => service.me({}, { timeoutMs: 30 }));
    const outcomes = await Promise.allSettled(calls);
    const codes = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code).sort();
    expect(codes).toEqual(['DeadlineExceeded', 'DeadlineExceeded', 'DeadlineExceeded', 'Overloaded', 'Overloaded']);
    await turns(10); // the server hears of it
    open();
    expect(await service.me({})).toEqual({ who: 'user/slow' }); // what was given up waits no longer
    expect(world.reached).toEqual(['user/slow']);
  });

  test('a call that was given up never runs', async () => {
    const { gate, open } = gateOf();
    world.guard.gate = gate;
    const { service } = world.client(new TestIdentity('user/slow'));
    const abort = new AbortController();
    const given = service.me({}, { signal: abort.signal });
    const kept = service.me({});
    await turns(10);
    abort.abort();
    await expect(given).rejects.toMatchObject({ code: 'Cancelled' });
    await turns(10);
    open();
    await kept;
    expect(world.reached).toEqual(['user/slow']);
  });

  test('the time of a call that waits runs on', async () => {
    await world.stop();
    const clock = new ManualClock();
    world = await new Guarded(clock).start();
    const { gate, open } = gateOf();
    world.guard.gate = gate;
    const { service } = world.client(new TestIdentity('user/slow'));
    const waiting = service.wait({}, { timeoutMs: 4_000 });
    waiting.catch(() => {});
    await turns(10);
    clock.advance(3_000);
    open();
    await turns(10);
    expect(world.waiting[0]!.context.remainingMs()).toBe(1_000);
  });

  test('a guard that does not decide is not waited for for ever', async () => {
    await world.stop();
    const clock = new ManualClock();
    world = await new Guarded(clock).start();
    world.guard.gate = new Promise(() => {});
    const { service } = world.client(new TestIdentity('user/slow'));
    const call = service.me({}, { timeoutMs: 60_000 });
    call.catch(() => {});
    await turns(20);
    for (let second = 0; second < 6; second++) {
      clock.advance(1_000);
      await turns(4);
    }
    await expect(call).rejects.toMatchObject({ code: 'Unauthenticated', reason: expect.stringContaining('not decided within 5 s') });
  });
});

describe('credentials that are refused', () => {
  test('refuse each call that was made with them, with the reason', async () => {
    const { gate, open } = gateOf();
    world.guard.gate = gate;
    const { service } = world.client(new TestIdentity('forged'));
    const outcomes = Promise.allSettled([service.me({}), service.me({}), service.read({ names: ['a'] })]);
    await turns(10);
    open();
    for (const outcome of await outcomes)
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'Unauthenticated', details: { cause: 'TokenForged' } });
    expect(world.reached).toEqual([]);
    expect(world.guard.log).toHaveLength(3);
    expect(await service.open({})).toEqual({ who: 'nobody' });
  });

  test('are shown anew after a second, for what was wrong may be over', async () => {
    await world.stop();
    const clock = new ManualClock();
    world = await new Guarded(clock).start();
    const identity = new TestIdentity('forged');
    const { service } = world.client(identity);
    for (let i = 0; i < 3; i++) await expect(service.me({})).rejects.toMatchObject({ code: 'Unauthenticated' });
    expect(identity.presented).toBe(1);
    identity.token.name = 'user/known'; // the same version: nothing told the client
    clock.advance(1_000);
    expect(await service.me({})).toEqual({ who: 'user/known' });
  });

  test('that cannot be made fail the call here', async () => {
    const identity = new TestIdentity('user/locked');
    identity.present = () => {
      throw new Error('the key file is gone');
    };
    const { service } = world.client(identity);
    await expect(service.me({})).rejects.toMatchObject({
      code: 'Unauthenticated',
      reason: expect.stringContaining('the key file is gone'),
    });
  });

  test('on another connection than they were made for are none', async () => {
    const thief = new TestIdentity('user/victim');
    const challenges: Challenge[] = [];
    const honest = thief.present.bind(thief);
    thief.present = (challenge) => {
      challenges.push(challenge);
      return honest(challenges[0]!); // what was seen on the first connection
    };
    expect(await world.client(thief).service.me({})).toEqual({ who: 'user/victim' });
    await expect(world.client(thief).service.me({})).rejects.toMatchObject({ code: 'Unauthenticated', details: { cause: 'WrongHolder' } });
    expect(challenges).toHaveLength(2);
    expect(challenges[0]).toMatchObject({ cluster: 'local' });
    expect(challenges[0]!.nonce).toHaveLength(32);
    expect(Buffer.from(challenges[0]!.nonce).equals(challenges[1]!.nonce)).toBe(false);
  });
});

test('a call whose caller is no longer one is aborted within 10 s', async () => {
  await world.stop();
  const clock = new ManualClock();
  world = await new Guarded(clock).start();
  const { service } = world.client(new TestIdentity('user/alice'));
  const call = service.wait({}, { timeoutMs: 600_000 });
  call.catch(() => {});
  while (world.waiting.length === 0) await turns(1);
  clock.advance(20_000);
  await turns(4);
  expect(world.waiting[0]!.context.signal.aborted).toBe(false);
  world.guard.ends.set('user/alice', 'the token was revoked');
  for (let second = 0; second < 10; second++) {
    clock.advance(1_000);
    await turns(4);
  }
  clock.advance(8); // alarms come up to a slot late
  await expect(call).rejects.toMatchObject({ code: 'Unauthenticated', reason: expect.stringContaining('revoked') });
});

test('a call that is denied is not sent again, to whomever', async () => {
  const resolver = { resolve: async () => ['mem://s', 'mem://s2'], suspect: () => {} };
  const kuafu = createKuafuClient({ resolver, identity: new TestIdentity('user/a'), transports: { mem: world.network.transport('c') } });
  world.clients.push(kuafu);
  const service = kuafu.service(guardedService, 'nuwa://local/guarded/', { pick: 'one' });
  await expect(service.read({ names: ['x'] })).rejects.toMatchObject({ code: 'PermissionDenied' });
  expect(world.guard.log).toEqual(['refused user/a guarded.read read pangu://local/x']);
});

test('what a handler refuses is told to the audit log too', async () => {
  const { service } = world.client(new TestIdentity('user/a'));
  await expect(service.closer({})).rejects.toMatchObject({ code: 'PermissionDenied', reason: 'not that', details: { operation: 'write' } });
  expect(world.guard.log).toEqual(['allowed user/a guarded.closer identified', 'refused user/a guarded.closer write']);
});

test('what a handler was told about itself is not told to its caller as if it was about that one', async () => {
  const { service } = world.client(new TestIdentity('user/alice'));
  await expect(service.forward({})).rejects.toMatchObject({ code: 'Internal', reason: expect.stringContaining('who are you?') });
});

test('a server without a guard asks nobody, and is shown nothing', async () => {
  await world.stop();
  world = await new Guarded().start({ guard: 'none' });
  const alice = new TestIdentity('user/alice');
  const { service } = world.client(alice);
  expect(await service.me({})).toEqual({ who: 'nobody' });
  expect(await service.unsaid({})).toEqual({ who: 'nobody' });
  expect(alice.presented).toBe(0);
});

test('a server with a guard is of a cluster', async () => {
  await expect(serve({ address: 'mem://none', guard: world.guard, implementations: [] })).rejects.toThrow(/belongs to a cluster/);
});

test('refused calls are counted, by their code', async () => {
  const meter = meters.find(({ side, service, method }) => side === 'server' && service === 'guarded' && method === 'read')!;
  const before = new Map(meter.refusals);
  const since = (code: string): number => (meter.refusals.get(code) ?? 0) - (before.get(code) ?? 0);
  await expect(world.client().service.read({ names: ['a'] })).rejects.toThrow();
  await expect(world.client(new TestIdentity('user/a')).service.read({ names: ['a'] })).rejects.toThrow();
  await world.client(new TestIdentity('user/a', 'read pangu://local/')).service.read({ names: ['a'] });
  expect([since('Unauthenticated'), since('PermissionDenied'), since('InvalidRequest')]).toEqual([1, 1, 0]);
});
