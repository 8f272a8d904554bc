import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import type { RunningRole } from '../../../../services/base/role.ts';
import { createKuafuClient } from '../../../../services/kuafu/client.ts';
import { meterOf } from '../../../../services/kuafu/meter.ts';
import { startProxyRole } from '../../../../services/kuafu/proxy/server.ts';
import { kuafuProxyService } from '../../../../services/kuafu/proxy-contract.ts';
import { serve } from '../../../../services/kuafu/server.ts';
import { Harness } from '../../nuwa/harness.ts';
import { EchoHandlers, echoService } from '../echo.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('proxies find each other by Nuwa, go around one that left, and come back to it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kuafu-proxy-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const harness = new Harness();
  cleanups.push(() => harness.close());
  const { address: nuwa } = await harness.server();
  const proxyOf = (node: string): string => `unix://${join(directory, `${node}.sock`)}`;
  const startRole = async (node: string, host: string): Promise<RunningRole> => {
    const config = {
      cluster: 'test',
      node: { id: node, rack: 'r' },
      dataDir: directory,
      listen: `tcp://${host}:0`,
      nuwa: [nuwa],
      proxy: proxyOf(node),
    };
    const role = await startProxyRole(config, { hosts: [host], log: silentLogger });
    cleanups.push(() => role.stop());
    return role;
  };
  const handlers = new EchoHandlers('b');
  const server = await serve({ guard: 'none', address: 'tcp://127.0.1.8:0', implementations: [handlers.implementation()] });
  cleanups.push(() => server.close({ graceMs: 0 }));
  await startRole('a', '127.0.1.7');
  const opens = meterOf('server', kuafuProxyService.name, 'open');
  /** Over a new channel: whether it went through both proxies. */
  const callAnew = async (): Promise<boolean> => {
    const before = opens.messagesOut;
    const client = createKuafuClient({ proxy: proxyOf('a') });
    expect(await client.service(echoService, server.address).who({})).toEqual({ who: 'b' });
    await client.close();
    return opens.messagesOut > before;
  };

  expect(await callAnew()).toBe(false);
  const b = await startRole('b', '127.0.1.8');
  await expect.poll(callAnew).toBe(true);
  await b.stop();
  await expect.poll(callAnew).toBe(false);
  await startRole('b', '127.0.1.8');
  await expect.poll(callAnew).toBe(true);
});
