import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import { createKuafuClient } from '../../../../services/kuafu/client.ts';
import { reflectionService } from '../../../../services/kuafu/reflection-contract.ts';
import { implement, serve } from '../../../../services/kuafu/server.ts';
import type { TlsMaterial } from '../../../../services/kuafu/tls-contract.ts';
import { joinMachine } from '../../../../services/zhongkui/certificates/join-machine.ts';
import { openCertificateKeeper } from '../../../../services/zhongkui/certificates/keeper.ts';
import { pinnedTls } from '../../../../services/zhongkui/certificates/pinned-tls.ts';
import { parseJoinToken } from '../../../../services/zhongkui/core/join-token.ts';
import { joinService } from '../../../../services/zhongkui/join-contract.ts';
import { type AuthorityStage, stageAuthority } from './stage.ts';

/** The authority's server, as role `zhongkui` makes it, and one of a machine that serves something else. */
let stage: AuthorityStage;
let address: string;
let elsewhere: string;
const undo: (() => unknown)[] = [];

async function serving(of: AuthorityStage, strangers: boolean): Promise<string> {
  const keeper = await openCertificateKeeper({ files: of.filesOf('m0') });
  const server = await serve({
    address: 'tls://127.0.0.1:0',
    implementations: [implement(joinService, of.ask)],
    guard: 'none',
    tls: keeper,
    strangers,
    log: silentLogger,
  });
  undo.push(
    () => keeper.close(),
    () => server.close({ graceMs: 0 }),
  );
  return server.address;
}

async function authority(): Promise<AuthorityStage> {
  const made = await stageAuthority();
  undo.push(() => made.close());
  await made.joined('m0');
  return made;
}

beforeEach(async () => {
  stage = await authority();
  address = await serving(stage, true);
  elsewhere = await serving(stage, false);
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const clientOf = (tls: TlsMaterial) => {
  const kuafu = createKuafuClient({ tls });
  undo.push(() => kuafu.close());
  return kuafu;
};
const pinnedTo = (token: string) => pinnedTls(parseJoinToken(token)!, Date.now);

describe('a machine without a certificate', () => {
  test('gets one over TLS from the authority, knowing no more of it than the token says, and renews it there with it', async () => {
    const token = await stage.token();
    const ask = clientOf(pinnedTo(token)).service(joinService, address);
    const files = stage.filesOf('m1');
    const joined = await joinMachine({ token, machine: 'm1', addresses: ['127.0.0.1'], files, ask });
    expect(joined.machine).toBe('m1');
    const keeper = await openCertificateKeeper({ files, ask: { renew: (request) => renewing(request) } });
    undo.push(() => keeper.close());
    const { renew: renewing } = clientOf(keeper).service(joinService, address);
    await keeper.renewNow();
    expect(keeper.current.serial).not.toBe(joined.serial);
  });

  test('is turned away by every other server', async () => {
    const kuafu = clientOf(pinnedTo(await stage.token()));
    await expect(kuafu.service(reflectionService, elsewhere).health({})).rejects.toThrow(/your certificate is missing/);
  });

  test('says nothing to who is not of the authority that its token names', async () => {
    const other = await authority();
    const token = await stage.token();
    let asked = 0;
    const join = other.ask.join;
    other.ask.join = (request) => {
      asked++;
      return join(request);
    };
    const there = await serving(other, true);
    const ask = clientOf(pinnedTo(token)).service(joinService, there);
    await expect(joinMachine({ token, machine: 'm1', files: stage.filesOf('m1'), ask })).rejects.toThrow(
      /is not of the authority that the join token names, that of local/,
    );
    expect(asked).toBe(0);
  });

  test('that was refused keeps nothing of the attempt, and joins with the next token', async () => {
    const refused = await stage.token({ machine: 'm2' });
    const ask = clientOf(pinnedTo(refused)).service(joinService, address);
    const files = stage.filesOf('m1');
    await expect(joinMachine({ token: refused, machine: 'm1', files, ask })).rejects.toMatchObject({ code: 'JoinRefused' });
    await expect(readdir(`${stage.directory}/m1`)).rejects.toMatchObject({ code: 'ENOENT' });
    const token = await stage.token();
    await joinMachine({ token, machine: 'm1', files, ask });
    expect((await readdir(`${stage.directory}/m1`)).sort()).toEqual(['machine.crt', 'machine.key']);
  });

  test('whose answer was lost keeps its key, with which alone the token is good again', async () => {
    const token = await stage.token();
    const { join } = clientOf(pinnedTo(token)).service(joinService, address);
    const files = stage.filesOf('m1');
    const losing = async (request: Parameters<typeof join>[0]): Promise<never> => {
      await join(request);
      throw new Error('the answer is lost');
    };
    await expect(joinMachine({ token, machine: 'm1', files, ask: { join: losing } })).rejects.toThrow('the answer is lost');
    expect(await readdir(`${stage.directory}/m1`)).toEqual(['machine.key.next']);
    expect((await joinMachine({ token, machine: 'm1', files, ask: { join: (request) => join(request) } })).machine).toBe('m1');
  });
});

test('who shows a certificate of another authority is turned away at the authority’s server too', async () => {
  const other = await authority();
  const keeper = await openCertificateKeeper({ files: other.filesOf('m0') });
  undo.push(() => keeper.close());
  const { clientOptions } = keeper;
  const blind: TlsMaterial = {
    clientOptions: (host) => clientOptions.call(keeper, host),
    serverOptions: () => ({}),
    onRenewed: () => () => {},
    problemOf: () => undefined,
  };
  await expect(clientOf(blind).service(reflectionService, address).health({})).rejects.toThrow(/your certificate is of another authority/);
});
