import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { registerJoin } from '../../../../infra/cli/commands/key-join.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import type { RunningRole } from '../../../../services/base/role.ts';
import { createKuafuClient } from '../../../../services/kuafu/client.ts';
import { openCertificateKeeper } from '../../../../services/zhongkui/certificates/keeper.ts';
import { loadMachine } from '../../../../services/zhongkui/certificates/machine-files.ts';
import { joinService } from '../../../../services/zhongkui/join-contract.ts';
import { start } from '../../../../services/zhongkui/server.ts';

let dir: string;
let role: RunningRole;

const startRole = (): Promise<RunningRole> =>
  start({ cluster: 'local', dataDir: join(dir, 'zhongkui'), listen: 'tcp://127.0.0.1:0', nuwa: [] }, { log: silentLogger });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-zhongkui-'));
  role = await startRole();
});
afterEach(async () => {
  await role.stop();
  await rm(dir, { recursive: true, force: true });
  process.exitCode = undefined;
});

/** The verbs as the command would run them; what they print. */
async function key(...args: string[]): Promise<{ stdout: string; stderr: string; exitCode: unknown }> {
  const output = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      output[name] += text;
      return true;
    }),
  );
  try {
    process.exitCode = 0;
    const program = new Command('key');
    registerJoin(program);
    const [verb, ...rest] = args;
    await program.parseAsync([verb!, '--dir', dir, ...rest], { from: 'user' });
    return { ...output, exitCode: process.exitCode };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = 0;
  }
}

describe('feitian key', () => {
  test('join-token and join make a machine one of the cluster, which then renews its certificate', async () => {
    const made = await key('join-token', '--machine', 'node-7', '--address', '10.77.0.7', '--ttl', '10m');
    expect(made).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('for node-7, once, within 10 min') });
    expect(made.stdout).toMatch(/^feitian-join\.local\.\S+\n$/);
    await writeFile(join(dir, 'token'), made.stdout, { mode: 0o600 });

    const asked = ['join', '--server', role.address!, '--token-file', join(dir, 'token'), '--json'];
    const refused = await key(...asked, '--machine', 'node-8');
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^feitian: JoinRefused: the token is for node-7, not for node-8: make a new one/);
    await expect(stat(join(dir, 'machine'))).rejects.toMatchObject({ code: 'ENOENT' });

    const joined = await key(...asked, '--machine', 'node-7', '--address', '10.77.0.7');
    expect(joined.stderr).toBe('');
    const told = JSON.parse(joined.stdout);
    expect(told).toMatchObject({ machine: 'node-7', cluster: 'local', addresses: ['10.77.0.7', '127.0.0.1', '::1'] });

    const twice = await key(...asked, '--machine', 'node-7', '--address', '10.77.0.7');
    expect(twice).toMatchObject({ exitCode: 1, stdout: '' });
    expect(twice.stderr).toMatch(
      /JoinRefused: node-7 has joined local already: its certificate at \S+machine\.crt is good until .* the token was used/,
    );
    expect((await readdir(join(dir, 'machine'))).sort()).toEqual(['machine.crt', 'machine.key']);

    const kuafu = createKuafuClient();
    const keeper = await openCertificateKeeper({ files: told, ask: kuafu.service(joinService, role.address!) });
    const before = keeper.current.serial;
    await role.stop();
    role = await startRole(); // on another port, with the same authority
    await expect(keeper.renewNow()).rejects.toMatchObject({ code: expect.stringMatching(/Unavailable|DeadlineExceeded/) });
    await keeper.close();
    const again = await openCertificateKeeper({ files: told, ask: kuafu.service(joinService, role.address!) });
    await again.renewNow();
    expect(again.current.serial).not.toBe(before);
    expect((await loadMachine(told)).serial).toBe(again.current.serial);
    await again.close();
    await kuafu.close();
  }, 30_000);

  test('join-token says what to do where there is no authority', async () => {
    const { stderr, exitCode } = await key('join-token', '--authority', join(dir, 'nowhere'));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/NoSuchKey: there is no authority in .*nowhere/);
  });

  test('certificates are what OpenSSL takes them for', async () => {
    const { stdout } = await key('join-token', '--json');
    await writeFile(join(dir, 'token'), JSON.parse(stdout).token);
    const { certificateFile } = JSON.parse(
      (await key('join', '--server', role.address!, '--machine', 'node-1', '--token-file', join(dir, 'token'), '--json')).stdout,
    );
    const [, ...roots] = (await readFile(certificateFile, 'utf8')).split(/(?=-----BEGIN)/);
    await writeFile(join(dir, 'roots.pem'), roots.join(''));
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-verify_hostname',
        'node-1.local',
        '-CAfile',
        join(dir, 'roots.pem'),
        certificateFile,
      ];
      expect(await openssl(args)).toMatch(/: OK\n$/);
    }
  });
});

/** Which every machine has on which these tests run; where not, the test says so by failing. */
function openssl(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', [...args], (_, stdout, stderr) => resolve(stdout + stderr));
  });
}
