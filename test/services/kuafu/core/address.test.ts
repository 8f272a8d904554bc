import { expect, test } from 'vitest';
import { addressOf, formatAddress, parseAddress } from '../../../../services/kuafu/core/address.ts';

test.each([
  ['tcp://10.0.0.1:80', { scheme: 'tcp', host: '10.0.0.1', port: 80 }],
  ['tls://[::1]:65535', { scheme: 'tls', host: '::1', port: 65535 }],
  ['unix:///run/feitian/proxy.sock', { scheme: 'unix', path: '/run/feitian/proxy.sock' }],
  ['mem://a', { scheme: 'mem', name: 'a' }],
  ['nuwa://local/echo/', { scheme: 'nuwa', cluster: 'local', service: 'echo' }],
  ['nuwa://local/echo/a', { scheme: 'nuwa', cluster: 'local', service: 'echo', instance: 'a' }],
])('%s is an address', (address, parsed) => {
  expect(parseAddress(address)).toEqual(parsed);
});

test.each([
  'http://a:1',
  'tcp://a',
  'tls://a:65536',
  'tcp://a:b',
  'unix://relative',
  'unix:///',
  'unix:///a/',
  'unix:///a\0b',
  'nuwa://a',
  'nuwa://a/b',
  '',
])('%j is none', (address) => {
  expect(() => parseAddress(address)).toThrow(/not an address/);
});

test('an address of another scheme is refused by name', () => {
  expect(addressOf('tls', 'tls://a:1')).toMatchObject({ port: 1 });
  expect(() => addressOf('tls', 'tcp://a:1')).toThrow(/not a tls:\/\/ address/);
});

test('an address is written so that it is read as the same', () => {
  expect(formatAddress('tls', '::1', 5)).toBe('tls://[::1]:5');
  expect(parseAddress(formatAddress('tcp', 'host', 5))).toEqual({ scheme: 'tcp', host: 'host', port: 5 });
});
