import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { joinHere } from '../../../infra/security/join-here.ts';
import { loadMachine, type MachineFiles } from '../../../services/zhongkui/certificates/machine-files.ts';
import { CERTIFICATE_LIFE_MS } from '../../../services/zhongkui/core/authority-rotation.ts';

let dir: string;
let files: MachineFiles;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-join-here-'));
  files = { certificateFile: join(dir, 'machine', 'machine.crt'), keyFile: join(dir, 'machine', 'machine.key') };
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(dir, { recursive: true, force: true });
});

const here = (options: { authority?: string; machine?: string; addresses?: string[] } = {}) =>
  joinHere({
    directory: join(dir, options.authority ?? 'zhongkui'),
    cluster: 'local',
    machine: options.machine ?? 'm0',
    addresses: options.addresses ?? ['127.0.0.1', '::1'],
    files,
  });

test('the machine with the authority founds it and gets a certificate, without a server; again it keeps it', async () => {
  const made = await here();
  expect(made).toMatchObject({ machine: 'm0', cluster: 'local', addresses: ['127.0.0.1', '::1'] });
  expect((await here()).serial).toBe(made.serial);
  expect((await loadMachine(files)).serial).toBe(made.serial);
});

test.each([
  ['has run out while the machine was switched off', 3 * CERTIFICATE_LIFE_MS],
  ['is about to end, for nobody has renewed it', 0.8 * CERTIFICATE_LIFE_MS],
])('a certificate that %s is replaced by one of the same authority', async (_, laterMs) => {
  const made = await here();
  vi.useFakeTimers({ now: Date.now() + laterMs, toFake: ['Date'] });
  const next = await here();
  expect(next.serial).not.toBe(made.serial);
  expect(next.roots).toEqual(made.roots);
  expect(next.notAfterMs).toBeGreaterThan(Date.now() + CERTIFICATE_LIFE_MS * 0.9);
});

test('one that processes are about to renew is left to them', async () => {
  const made = await here();
  vi.useFakeTimers({ now: Date.now() + 0.7 * CERTIFICATE_LIFE_MS, toFake: ['Date'] });
  expect((await here()).serial).toBe(made.serial);
});

test('one of another authority, name or address is replaced, and so is one that is damaged', async () => {
  const serials = [(await here()).serial];
  serials.push((await here({ authority: 'another' })).serial);
  serials.push((await here({ authority: 'another', machine: 'm1' })).serial);
  const moved = await here({ authority: 'another', machine: 'm1', addresses: ['10.77.0.1'] });
  expect(moved.addresses).toEqual(['10.77.0.1']);
  serials.push(moved.serial);
  await writeFile(files.certificateFile, (await readFile(files.certificateFile, 'utf8')).slice(0, 300));
  serials.push((await here({ authority: 'another', machine: 'm1', addresses: ['10.77.0.1'] })).serial);
  expect(new Set(serials).size).toBe(5);
});
