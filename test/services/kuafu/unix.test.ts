import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuServer } from '../../../services/kuafu/contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';
import { describeTransport } from './transport.suite.ts';

const directory = mkdtempSync(join(tmpdir(), 'kuafu-'));
afterAll(() => rm(directory, { recursive: true }));
let next = 0;
const newPath = (): string => join(directory, `${next++}.sock`);

describeTransport('unix', () => `unix://${newPath()}`);

describe('the file of a unix socket', () => {
  const servers: KuafuServer[] = [];
  const listen = async (path: string): Promise<KuafuServer> => {
    const server = await serve({ guard: 'none', address: `unix://${path}`, implementations: [new EchoHandlers().implementation()] });
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
  });

  test("is its owner's alone, and gone once the server is closed", async () => {
    const path = newPath();
    const server = await listen(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  test('that a killed process left is replaced', async () => {
    const path = newPath();
    // Its own end is by a signal, so nobody removes the file.
    spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    expect(statSync(path).isSocket()).toBe(true);
    await listen(path);
    const client = createKuafuClient();
    expect(await client.service(echoService, `unix://${path}`).echo({ text: 'hello' })).toEqual({ text: 'hello' });
    await client.close();
  });

  test('where somebody listens is not taken over', async () => {
    const path = newPath();
    await listen(path);
    await expect(listen(path)).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/somebody does already/) });
    expect(existsSync(path)).toBe(true);
  });

  test('that is no socket is left alone', async () => {
    const path = newPath();
    writeFileSync(path, 'mine');
    await expect(listen(path)).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/no socket/) });
    expect(statSync(path).size).toBe(4);
  });

  test('has a path that the kernel can hold', async () => {
    const long = join(directory, `${'x'.repeat(110)}.sock`);
    await expect(listen(long)).rejects.toMatchObject({ code: 'InvalidRequest', reason: expect.stringMatching(/bytes/) });
    const client = createKuafuClient();
    const echo = client.service(echoService, `unix://${long}`);
    await expect(echo.who({})).rejects.toMatchObject({ code: 'InvalidRequest' });
    await client.close();
    expect(() => client.service(echoService, 'unix://relative/path')).toThrow(/not an address/);
  });
});
