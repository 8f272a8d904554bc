import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import { Harness, type NuwaServer } from '../services/nuwa/harness.ts';
import { startFeitian } from './feitian.ts';

describe('feitian nuwa lock', () => {
  const harness = new Harness();
  let addresses: string;
  let client: NuwaClient;
  let here: string;
  beforeAll(async () => {
    const servers: NuwaServer[] = await harness.group(3);
    addresses = servers.map(({ address }) => address.replace('tcp://', '')).join(',');
    client = await harness.client(servers.map(({ address }) => address));
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    here = await mkdtemp(join(tmpdir(), 'feitian-test-lock-'));
  });
  afterEach(() => rm(here, { recursive: true }));

  const lockArgs = (options: string[], path: string, command: string[]): string[] => [
    'nuwa',
    'lock',
    ...options,
    '--nuwa',
    addresses,
    path,
    '--',
    ...command,
  ];

  test('runs a command under a growing token, and ends as it does', async () => {
    const tokens: number[] = [];
    for (const exit of [0, 7]) {
      const { ended } = startFeitian(lockArgs([], '/locks/a', ['sh', '-c', `echo $FEITIAN_FENCING_TOKEN; exit ${exit}`]));
      const { code, stdout } = await ended;
      expect(code).toBe(exit);
      tokens.push(Number(stdout));
    }
    expect(tokens[1]).toBeGreaterThan(tokens[0]!);
    expect(tokens[0]).toBeGreaterThan(0);
    expect((await client.list('/locks/a')).children).toEqual([]);
  });

  test('keeps others out, who may give up', async () => {
    const first = startFeitian(lockArgs([], '/locks/b', ['sh', '-c', 'echo held; exec sleep 60']));
    await first.said(/held/);
    const second = await startFeitian(lockArgs(['--wait', '200ms'], '/locks/b', ['echo', 'never'])).ended;
    expect(second).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('/locks/b is held by others') });
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(143);
    expect((await client.list('/locks/b')).children).toEqual([]);
  });

  test('ends the command, with all that it started, when the lock is lost', async () => {
    const file = join(here, 'beats');
    // Deaf to SIGTERM, both of them.
    const beat = `trap "" TERM; (while :; do echo x >> ${file}; sleep 0.05; done) & echo held; wait; while :; do sleep 1; done`;
    const { said, ended } = startFeitian(lockArgs(['--grace', '300ms', '--json'], '/locks/c', ['sh', '-c', beat]));
    await said(/held/);
    const { children } = await client.list('/locks/c');
    await client.delete(children[0]!.path);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(137);
    expect(JSON.parse(stdout.replace('held\n', ''))).toMatchObject({ path: '/locks/c', exitCode: 137, lost: true });
    expect(stderr).toContain('the lock was lost');
    const written = (await readFile(file)).length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect((await readFile(file)).length).toBe(written);
  });

  test('is kept on SIGTERM until the command has ended, which gets it too', async () => {
    const deaf = 'trap "echo asked" TERM; echo held; while [ ! -e "$0" ]; do sleep 0.02; done; echo done';
    const first = startFeitian(lockArgs(['--grace', '60s'], '/locks/e', ['sh', '-c', deaf, join(here, 'go')]));
    await first.said(/held/);
    first.child.kill('SIGTERM');
    await first.said(/asked/);
    expect((await client.list('/locks/e')).children).toHaveLength(1);
    const waiting = startFeitian(lockArgs([], '/locks/e', ['sh', '-c', 'echo mine']));
    await vi.waitFor(async () => expect((await client.list('/locks/e')).children).toHaveLength(2), { timeout: 10_000 });
    await writeFile(join(here, 'go'), '');
    expect((await first.ended).stdout).toBe('held\nasked\ndone\n');
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: 'mine\n' });
  });

  test('goes a TTL after feitian was killed, and the command, with all that it started, before it', async () => {
    const file = join(here, 'beats');
    // Deaf to SIGTERM, both of them.
    const beat = `trap "" TERM; (while :; do echo x >> ${file}; sleep 0.02; done) & echo held; while :; do sleep 1; done`;
    const killed = startFeitian(lockArgs(['--ttl', '3s', '--grace', '200ms'], '/locks/f', ['sh', '-c', beat]));
    await killed.said(/held/);
    // Whoever has the lock next looks whether anything of the one before still goes on.
    const look = `a=$(wc -c < ${file}); sleep 0.3; b=$(wc -c < ${file}); echo $((b - a))`;
    const next = startFeitian(lockArgs([], '/locks/f', ['sh', '-c', look]));
    await vi.waitFor(async () => expect((await client.list('/locks/f')).children).toHaveLength(2), { timeout: 10_000 });
    killed.child.kill('SIGKILL');
    expect(await next.ended).toMatchObject({ code: 0, stdout: '0\n' });
  });

  test('says which program there is not, and lets the lock go', async () => {
    const { code, stderr } = await startFeitian(lockArgs([], '/locks/d', ['no-such-program-42'])).ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'feitian: there is no program no-such-program-42\n' });
    expect((await client.list('/locks/d')).children).toEqual([]);
  });
});
