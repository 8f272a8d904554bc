import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKuafuClient } from '../../services/kuafu/client.ts';
import { reflectionService } from '../../services/kuafu/reflection-contract.ts';
import type { TlsMaterial } from '../../services/kuafu/tls-contract.ts';
import { SERVICES_PATH } from '../../services/nuwa/contract.ts';
import { type CertificateKeeper, openCertificateKeeper } from '../../services/zhongkui/client.ts';
import { joinService, ZHONGKUI_JOIN_SERVICE } from '../../services/zhongkui/join-contract.ts';
import { joinAsAdmin, leftovers, openCluster, outputLines, type TestCluster } from '../helpers/cluster.ts';
import { referenceCounts } from '../helpers/word-count.ts';
import { feitian } from '../infra/feitian.ts';

const EXAMPLE = new URL('../../infra/examples/wordcount.json', import.meta.url);
const START_MS_MAX = 120_000;

/** Where a peer that is let in is heard of, a stranger is told no more than that it is one. */
const health = async (address: string, tls?: TlsMaterial): Promise<string> => {
  const kuafu = createKuafuClient(tls ? { tls } : {});
  try {
    const { services } = await kuafu.service(reflectionService, address).health({}, { timeoutMs: 2_000 });
    return `serves ${Object.keys(services).length} services`;
  } catch (error) {
    return String(error);
  } finally {
    await kuafu.close();
  }
};

describe('a cluster that speaks TLS', () => {
  let cluster: TestCluster;
  let keeper: CertificateKeeper;
  let member: Awaited<ReturnType<typeof joinAsAdmin>>;

  beforeAll(async () => {
    cluster = await openCluster({ nodes: 2, nuwaServers: 1, tls: true, together: false });
    const { info } = cluster.cluster;
    member = await joinAsAdmin(info, 'tls test');
    keeper = await openCertificateKeeper({
      files: info.tls!,
      ask: member.kuafu.service(joinService, `nuwa://${info.name}/${ZHONGKUI_JOIN_SERVICE}/`),
    });
  }, START_MS_MAX);
  afterAll(async () => {
    await keeper?.close();
    await member?.leave();
    await cluster?.stop();
  }, START_MS_MAX);

  /** Of every process that answers Kuafu calls, as the launcher knows it and as Nuwa names it. */
  async function addresses(): Promise<string[]> {
    const found = (await cluster.cluster.status()).processes.flatMap(({ address }) => address ?? []);
    const { children: services } = await member.nuwa.list(SERVICES_PATH);
    for (const { path } of services) {
      const { children } = await member.nuwa.list(path);
      found.push(...children.map(({ value }) => (JSON.parse(Buffer.from(value).toString()) as { address: string }).address));
    }
    return [...new Set(found)].filter((address) => !address.startsWith('http://'));
  }

  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await feitian([...args, '--dir', cluster.dir]);
    expect({ code, stderr }, args.join(' ')).toMatchObject({ code: 0 });
    return stdout;
  };

  test('says so in cluster.json, and its commands and jobs work as ever', async () => {
    const { info } = cluster.cluster;
    expect(info.nuwa.kuafu).toEqual([expect.stringMatching(/^tls:\/\/127\.0\.0\.1:\d+$/)]);
    const [nuwa] = info.nuwa.kuafu;
    expect(await run('nuwa', 'status')).toMatch(/^nuwa-1\s+leader/m);
    // A bare address is one of TLS here.
    expect(await run('rpc', 'call', nuwa!.replace('tls://', ''), 'kuafu.health')).toContain('serving');

    const text = join(cluster.dir, 'words.txt');
    await writeFile(text, 'to be or not to be\n'.repeat(2_000));
    await run('fs', 'put', text, '/words.txt');
    expect(await run('fs', 'cat', '/words.txt')).toBe(await readFile(text, 'utf8'));

    const job = JSON.parse(await readFile(EXAMPLE, 'utf8'));
    job.pipes[0].source.filePattern = 'pangu://local/words.txt';
    const document = join(cluster.dir, 'job.json');
    await writeFile(document, JSON.stringify(job));
    await run('job', 'submit', document, '--wait');
    expect(await outputLines(cluster.pangu, '/out/wordcount')).toEqual(await referenceCounts([text]));
    expect(await leftovers(cluster.pangu)).toEqual([]);
  }, 120_000);

  test('answers nobody in plain, and nobody who shows no certificate but where machines get theirs', async () => {
    const known = await addresses();
    const authority = (await cluster.cluster.status()).processes.find(({ role }) => role === 'zhongkui')!.address!;
    expect(known).toContain(authority);
    // nuwa, two of each of pangu-chunk, tubo and dayu-agent, the masters, shennong, zhongkui
    expect(known.length).toBeGreaterThanOrEqual(11);
    const { ca } = keeper.clientOptions('127.0.0.1');
    const stranger: TlsMaterial = {
      clientOptions: () => ({ ca, checkServerIdentity: () => undefined }),
      serverOptions: () => ({}),
      onRenewed: () => () => {},
    };
    for (const address of known) {
      expect(address).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
      expect(await health(address, keeper), address).toMatch(/^serves \d+ services$/);
      expect(await health(address.replace('tls:', 'tcp:')), address).toMatch(/Unavailable|DeadlineExceeded/);
      const told = address === authority ? /^serves 2 services$/ : /certificate is missing/;
      expect(await health(address, stranger), address).toMatch(told);
    }
    // There, too, a stranger calls only what is open.
    const kuafu = createKuafuClient({ tls: stranger });
    await expect(kuafu.service(reflectionService, authority).describe({})).rejects.toMatchObject({ code: 'Unauthenticated' });
    await kuafu.close();
  }, 60_000);

  test('lets a machine in by the two commands that it prints', async () => {
    const token = await feitian(['key', 'join-token', '--machine', 'm9', '--address', '127.0.0.9', '--dir', cluster.dir]);
    const [, server] = /--server (tls:\/\/\S+) --machine m9/.exec(token.stderr) ?? [];
    const out = join(cluster.dir, 'm9');
    const env = { FEITIAN_JOIN_TOKEN: token.stdout.trim() };
    const asked = ['key', 'join', '--machine', 'm9', '--address', '127.0.0.9', '--out', out, '--server'];
    // Nobody is there, and nothing stays.
    const lost = await feitian([...asked, 'tls://127.0.0.1:1'], env);
    expect(lost).toMatchObject({ code: 1, stderr: expect.stringMatching(/no connection to tls:\/\/127\.0\.0\.1:1/) });
    await expect(readdir(out)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await feitian([...asked, server!], env)).toMatchObject({ code: 0, stderr: '' });
    expect((await readdir(out)).sort()).toEqual(['machine.crt', 'machine.key']);
    const joined = await openCertificateKeeper({ files: { certificateFile: join(out, 'machine.crt'), keyFile: join(out, 'machine.key') } });
    expect(await health(cluster.cluster.info.nuwa.kuafu[0]!, joined)).toMatch(/^serves/);
    await joined.close();
  }, 30_000);

  test('goes on while its certificate is renewed: no call fails, and all show the new one', async () => {
    const known = await addresses();
    const failed: string[] = [];
    let calls = 0;
    let over = false;
    const calling = known.map(async (address) => {
      const lasting = createKuafuClient({ tls: keeper });
      while (!over) {
        // One connection that stays, and one that is new each time.
        const fresh = createKuafuClient({ tls: keeper });
        for (const kuafu of [lasting, fresh]) {
          await kuafu
            .service(reflectionService, address)
            .health({})
            .catch((error) => failed.push(`${address}: ${error}`));
          calls++;
        }
        await fresh.close();
      }
      await lasting.close();
    });
    const before = keeper.current.serial;
    await keeper.renewNow();
    expect(keeper.current.serial).not.toBe(before);
    for (const address of known) await expect.poll(() => serialAt(address, keeper), { timeout: 40_000 }).toBe(keeper.current.serial);
    const atFirst = calls;
    await keeper.renewNow();
    await expect.poll(() => calls, { timeout: 20_000 }).toBeGreaterThan(atFirst + 4 * known.length);
    over = true;
    await Promise.all(calling);
    expect(failed).toEqual([]);
  }, 90_000);
});

function serialAt(address: string, keeper: CertificateKeeper): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...keeper.clientOptions(hostname), host: hostname, port: Number(port) }, () => {
      resolve(socket.getPeerCertificate().serialNumber.toLowerCase());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
