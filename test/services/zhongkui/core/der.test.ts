import { expect, test } from 'vitest';
import { newPrivateKeyPem } from '../../../../services/zhongkui/certificates/encodings.ts';
import { createRequest } from '../../../../services/zhongkui/certificates/request.ts';
import { isDer } from '../../../../services/zhongkui/core/der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test.each([
  ['05 00', true],
  ['30 00', true],
  ['30 03 02 01 05', true],
  [`04 81 80 ${'00'.repeat(128)}`, true],
  ['', false],
  ['30', false],
  ['05 00 00', false],
  ['30 04 02 01 05', false],
  ['30 02 02 01 05', false],
  ['30 03 02 02 05', false],
  ['30 80 00 00', false],
  ['04 81 03 00 00 00', false],
  [`04 82 00 80 ${'00'.repeat(128)}`, false],
  ['1f 01 00', false],
])('%s is DER: %s', (text, is) => {
  expect(isDer(hex(text))).toBe(is);
});

test('nothing that is nested without end is', () => {
  expect(isDer(Buffer.concat(Array.from({ length: 900 }, () => hex('30 80'))))).toBe(false);
});

test('a request for a certificate is, and with any of its lengths altered it is none', async () => {
  const csr = await createRequest(newPrivateKeyPem(), { machine: 'node-1', cluster: 'local', addresses: ['10.0.0.1'] });
  expect(isDer(csr)).toBe(true);
  for (const delta of [-8, -1, 1, 8]) {
    const wrong = Buffer.from(csr);
    wrong[wrong[1]! === 0x82 ? 3 : 2]! += delta;
    expect(isDer(wrong), String(delta)).toBe(false);
  }
});
