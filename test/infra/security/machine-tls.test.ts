import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../../../infra/cluster/ports.ts';
import { type MachineTls, openMachineTls, renewThroughNuwa } from '../../../infra/security/machine-tls.ts';
import { type Clock, systemClock } from '../../../services/base/clock.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { loadMachine } from '../../../services/zhongkui/certificates/machine-files.ts';
import { start } from '../../../services/zhongkui/server.ts';
import { Harness } from '../../services/nuwa/harness.ts';
import { type AuthorityStage, stageAuthority } from '../../services/zhongkui/certificates/stage.ts';

const HOUR_MS = 3_600_000;
const WHO = { creator: 'test', identity: { version: 1, present: () => ({ token: '', proof: new Uint8Array() }) }, log: silentLogger };

/** An authority whose clock was behind when the machine joined: the machine's certificate is due for renewal from the beginning. */
let stage: AuthorityStage;
let harness: Harness;
let machine: MachineTls | undefined;

beforeEach(async () => {
  harness = new Harness();
  let behindMs = 17 * HOUR_MS;
  const clock: Clock = { ...systemClock, nowMs: () => Date.now() - behindMs };
  stage = await stageAuthority({ cluster: 'test', clock });
  await stage.joined('m0');
  behindMs = 0;
});
afterEach(async () => {
  await machine?.close();
  machine = undefined;
  await harness.close();
  await stage.close();
});

const serial = async (): Promise<string> => (await loadMachine(stage.filesOf('m0'))).serial;

test('a certificate that is due is renewed as soon as the process has a way to the authority, and not before', async () => {
  const before = await serial();
  machine = await openMachineTls(stage.filesOf('m0'), { log: silentLogger });
  let asked = 0;
  expect(await serial()).toBe(before);
  machine.renewBy((request) => {
    asked++;
    return stage.ask.renew(request);
  });
  await expect.poll(serial).not.toBe(before);
  expect(asked).toBe(1);
});

test('a process that never got so far ends all the same', async () => {
  const opened = await openMachineTls(stage.filesOf('m0'), { log: silentLogger });
  await opened.close();
});

test('the authority may start before Nuwa: it is found there once it is there, and renews', async () => {
  const address = `tcp://127.0.0.1:${await freePort()}`;
  const config = { cluster: 'test', dataDir: stage.directory, listen: 'tcp://127.0.0.1:0', nuwa: [address] };
  const authority = await start(config, { log: silentLogger });
  await harness.server({ listen: address });
  harness.onClose(() => authority.stop());
  const before = await serial();
  machine = await openMachineTls(stage.filesOf('m0'), { log: silentLogger });
  machine.renewBy(renewThroughNuwa({ cluster: 'test', nuwa: [address], ...WHO }));
  await expect.poll(serial, { timeout: 15_000 }).not.toBe(before);
}, 20_000);

test('an authority whose Nuwa is gone stops all the same', async () => {
  const server = await harness.server();
  const config = { cluster: 'test', dataDir: stage.directory, listen: 'tcp://127.0.0.1:0', nuwa: [server.address] };
  const authority = await start(config, { log: silentLogger });
  const nuwa = await harness.client(server.address);
  const registered = () =>
    nuwa.list('/services/zhongkui-join').then(
      ({ children }) => children.length,
      () => 0,
    );
  await expect.poll(registered, { timeout: 5_000 }).toBe(1);
  await nuwa.close();
  await server.stop();
  await authority.stop();
}, 8_000);

test('an authority that never finds Nuwa stops all the same', async () => {
  const config = { cluster: 'test', dataDir: join(stage.directory), listen: 'tcp://127.0.0.1:0', nuwa: ['tcp://127.0.0.1:1'] };
  const authority = await start(config, { log: silentLogger });
  await authority.stop();
}, 10_000);
