import { expect, test } from 'vitest';
import { formatJoinToken, parseJoinToken } from '../../../../services/zhongkui/core/join-token.ts';
import { addressProblem, certifiedNameOf, isLabel, isLoopback, machineIn } from '../../../../services/zhongkui/core/machine-names.ts';

test.each(['node-1', 'a', '0', 'x'.repeat(63)])('%s is a name', (name) => expect(isLabel(name)).toBe(true));
test.each(['', '-a', 'a-', 'A', 'a.b', '*', 'a_b', 'ä', 'а', 'a\n', 'a\0', 'x'.repeat(64)])('%j is none', (name) =>
  expect(isLabel(name)).toBe(false),
);

test.each([
  ['node-1.local', 'node-1'],
  ['local', undefined],
  ['.local', undefined],
  ['a.b.local', undefined],
  ['node-1.locals', undefined],
  ['node-1.xlocal', undefined],
  ['*.local', undefined],
])('%s names the machine %s of the cluster', (name, machine) => expect(machineIn(name, 'local')).toBe(machine));

test.each([
  ['node-1', 'node-1.local'],
  ['node-1.local', 'node-1.local'],
  ['10.0.0.1', '10.0.0.1'],
  ['fe80::1', 'fe80::1'],
  ['12', '12'],
])('a call to %s looks for %s', (host, name) => expect(certifiedNameOf(host, 'local')).toBe(name));

test.each(['0.0.0.0', '::', '255.255.255.255', '224.0.0.1', '240.0.0.1', 'ff02::1', '::ffff:10.0.0.1', '::10.0.0.1', '0:0:1::'])(
  'nobody has %s',
  (address) => expect(addressProblem(address)).toBeDefined(),
);
test.each(['10.0.0.1', '127.0.0.1', '::1', 'fe80::1', '2001:db8::1', '223.1.2.3'])('a machine may have %s', (address) =>
  expect(addressProblem(address)).toBeUndefined(),
);
test('loopback is everybody’s', () =>
  expect(['127.0.0.1', '127.9.9.9', '::1', '128.0.0.1', '10.127.0.1'].map(isLoopback)).toEqual([true, true, true, false, false]));

test('a token has one text, and a text one token', () => {
  const secret = `${'A'.repeat(42)}A`;
  const token = { cluster: 'local', id: '0123456789abcdef', secret, roots: [secret] };
  const text = formatJoinToken(token);
  expect(parseJoinToken(text)).toEqual(token);
  // The last letter of 32 bytes has two bits that mean nothing: another one there would decode alike.
  expect(parseJoinToken(text.replace(/A$/, 'B'))).toBeUndefined();
  expect(parseJoinToken(`${text}.${secret}.${secret}`)).toBeUndefined();
});
