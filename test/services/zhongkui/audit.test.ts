import { pino } from 'pino';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import { NOBODY } from '../../../services/kuafu/guard.ts';
import { createAudit } from '../../../services/zhongkui/audit.ts';
import { createGuard } from '../../../services/zhongkui/guard.ts';
import { formatPrivateKey } from '../../../services/zhongkui/keys/key-pair.ts';
import { can, challengeOf, credentialsOf, Stage } from './stage.ts';

type Line = Record<string, unknown> & { msg: string };

function logged() {
  const lines: Line[] = [];
  let text = '';
  const write = (line: string): void => {
    text += line;
    lines.push(JSON.parse(line));
  };
  const log = pino({ base: {} }, { write });
  return { lines, log, text: () => text, of: (event: string) => lines.filter(({ msg }) => msg.startsWith(event)) };
}

const caller = (name: string) => ({ ...NOBODY, name, key: `key-of-${name}` });

test('calls that were let through are told once an interval, by caller, method and prefix', async () => {
  const { log, lines } = logged();
  const clock = new ManualClock();
  const audit = createAudit({ log, clock, intervalMs: 1_000 });
  const [alice, bob] = [caller('user/alice'), caller('user/bob')];
  for (let i = 0; i < 1_000; i++) audit.allowed(alice, 'pangu.read', 'read', 'pangu://local/a');
  for (let i = 0; i < 10; i++) audit.allowed(alice, 'pangu.read', 'read', 'pangu://local/b');
  audit.allowed(alice, 'pangu.write', 'write', 'pangu://local/a');
  audit.allowed(bob, 'pangu.read', 'read', 'pangu://local/a');
  expect(lines).toEqual([]);
  clock.advance(1_000);
  await Promise.resolve();
  await Promise.resolve();
  expect(lines.map(({ who, method, prefix, calls }) => [who, method, prefix, calls])).toEqual([
    ['user/alice', 'pangu.read', 'pangu://local/a', 1_000],
    ['user/alice', 'pangu.read', 'pangu://local/b', 10],
    ['user/alice', 'pangu.write', 'pangu://local/a', 1],
    ['user/bob', 'pangu.read', 'pangu://local/a', 1],
  ]);
  expect(lines[0]).toMatchObject({ msg: 'zhongkui.allowed', key: 'key-of-user/alice', operation: 'read', allowed: true });
  audit.close();
  expect(lines).toHaveLength(4);
});

test('refusals are told at once with their reason, and repetitions counted', () => {
  const { log, of } = logged();
  const audit = createAudit({ log, clock: new ManualClock() });
  for (let i = 0; i < 315; i++) audit.refused(caller('user/eve'), 'pangu.read', 'read', `pangu://local/${i}`, 'no capability');
  audit.refused(NOBODY, 'pangu.read', 'read', 'pangu://local/0', 'no identity came with the call');
  expect(of('zhongkui.refused')).toHaveLength(4);
  expect(of('zhongkui.refused')[0]).toMatchObject({
    who: 'user/eve',
    method: 'pangu.read',
    operation: 'read',
    resource: 'pangu://local/0',
    allowed: false,
    reason: 'no capability',
  });
  audit.flush();
  expect(of('zhongkui.refused and')).toEqual([
    expect.objectContaining({ msg: 'zhongkui.refused and 312 more', more: 312, who: 'user/eve' }),
  ]);
  audit.flush();
  expect(of('zhongkui.refused')).toHaveLength(5);
});

test('the log is bounded, whoever calls and whatever for', () => {
  const { log, lines } = logged();
  const audit = createAudit({ log, clock: new ManualClock() });
  for (let i = 0; i < 20_000; i++) {
    audit.refused(caller(`user/${i}`), 'm', 'read', 'x'.repeat(10_000), 'y'.repeat(10_000));
    audit.allowed(caller(`user/${i}`), 'm', 'read', 'pangu://local/');
  }
  audit.flush();
  expect(lines.length).toBeLessThan(1_600);
  expect(Math.max(...lines.map((line) => JSON.stringify(line).length))).toBeLessThan(1_000);
  const told = lines.filter(({ msg }) => msg === 'zhongkui.allowed').reduce((sum, { calls }) => sum + (calls as number), 0);
  expect(told).toBe(20_000);
});

test('no token, proof or key is ever in it', async () => {
  const stage = new Stage();
  const { log, text, of } = logged();
  const audit = createAudit({ log, clock: stage.clock });
  const guard = createGuard({ cluster: 'local', trust: stage.trust, revocations: stage.revocations, clock: stage.clock, audit });
  const alice = await stage.issued({ capabilities: [can('pangu://local/a', 'read')] });
  const laptop = await stage.delegated(alice);
  const challenge = challengeOf();
  const shown = credentialsOf(laptop, challenge);
  const admitted = await guard.admit(shown, challenge);
  guard.allowed(admitted, 'pangu.read', 'read', 'pangu://local/a/b');
  guard.refused(admitted, 'pangu.write', 'write', 'pangu://local/a', admitted.refusal('write', 'pangu://local/a')!);
  const broken = [
    { ...shown, proof: new Uint8Array(64) },
    { ...shown, token: `${shown.token.slice(0, -3)}AAA` },
    { ...shown, token: `${shown.token}~` },
    { ...shown, token: `${shown.token.slice(1)}` },
    { ...shown, token: `${shown.token.split('~')[1]}` },
    { ...shown, token: shown.token as never, proof: 'x' as never },
  ];
  for (const each of broken) await expect(guard.admit(each, challenge)).rejects.toThrow();
  stage.revocations.revoke(alice.id);
  await expect(guard.admit(shown, challenge)).rejects.toThrow();
  audit.flush();
  expect(of('zhongkui.admitted')).toEqual([expect.objectContaining({ who: 'user/alice', key: laptop.keyPair.fingerprint })]);
  expect(of('zhongkui.allowed')).toEqual([expect.objectContaining({ prefix: 'pangu://local/a', calls: 1 })]);
  expect(of('zhongkui.turned-away').map(({ code }) => code)).toEqual(
    expect.arrayContaining(['WrongHolder', 'TokenForged', 'TokenMalformed', 'TokenRevoked']),
  );
  const secrets = [
    ...shown.token.split(/[.~]/),
    ...[alice, laptop].flatMap(({ keyPair }) => [
      keyPair.x,
      keyPair.privateKey.export({ format: 'jwk' }).d!,
      ...formatPrivateKey(keyPair).split('\n').slice(1, -2),
    ]),
    Buffer.from(shown.proof).toString('base64url'),
    Buffer.from(shown.proof).toString('base64'),
    Buffer.from(shown.proof).toString('hex'),
  ];
  for (const secret of secrets) for (const part of [secret, secret.slice(0, 12), secret.slice(-12)]) expect(text()).not.toContain(part);
});
