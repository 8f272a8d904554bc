import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROLE_NAMES } from '../../../infra/roles.ts';
import { grantsOfAll, roleGrants } from '../../../infra/security/role-grants.ts';
import { ensureRoleKeys, processesOf } from '../../../infra/security/role-keys.ts';
import { covers, readKeyFile, readTrustFile } from '../../../services/zhongkui/client.ts';

const DAY_MS = 86_400_000;
const NOW = Date.now();

describe('the processes of a deployment', () => {
  test('are one for each role that belongs to no node, one for each server of Nuwa, and one for each node', () => {
    const processes = processesOf({ nodes: ['m1', 'm2'], nuwaServers: ['a', 'b'], together: { rest: ['worker', 'shennong'] } });
    const names = processes.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['worker', 'zhongkui', 'nuwa/a', 'nuwa/b', 'node/m1', 'node/m2', 'rest']));
    expect(names).not.toContain('nuwa');
    expect(new Set(names).size).toBe(names.length);
    expect(processes.find(({ name }) => name === 'node/m1')!.roles).toEqual(expect.arrayContaining(['pangu-chunk', 'tubo']));
    expect(new Set(processes.flatMap(({ roles }) => roles))).toEqual(new Set(ROLE_NAMES));
    expect(processesOf({}).map(({ name }) => name)).toContain('nuwa');
  });

  test.each([
    [{ nodes: ['../m1'] }, /"..\/m1" is no name/],
    [{ together: { worker: ['nuwa'] } }, /worker is the name of a role/],
    [{ together: { all: ['worker', 'fly'] } }, /all plays fly, which is no role/],
    [{ together: { all: ['worker', 'zhongkui'] } }, /zhongkui plays alone/],
  ])('make sense or are refused: %j', (deployment, reason) => {
    expect(() => processesOf(deployment)).toThrow(reason);
  });

  test('may, when they play several roles, what each of these may and nothing else', () => {
    for (const a of ROLE_NAMES)
      for (const b of ROLE_NAMES) {
        const both = grantsOfAll([a, b], 'local');
        const alone = [...roleGrants(a, 'local'), ...roleGrants(b, 'local')];
        for (const [these, those] of [
          [both, alone],
          [alone, both],
        ] as const)
          for (const { resource, operations } of these)
            for (const operation of operations) {
              const allowed = those.some((each) => each.operations.includes(operation) && covers(each.resource, resource));
              expect(allowed, `${a} and ${b}: ${operation} ${resource}`).toBe(true);
            }
      }
  });
});

describe('the keys of a deployment', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'feitian-role-keys-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const ensure = (nowMs = NOW, nodes = ['m1']) =>
    ensureRoleKeys(
      { keys: join(dir, 'issuer'), out: join(dir, 'out'), cluster: 'local', processes: processesOf({ nodes }), ttlMs: 90 * DAY_MS },
      nowMs,
    );
  const filesOf = async ({ identities, trustFile, adminFile }: Awaited<ReturnType<typeof ensure>>) =>
    Promise.all([...identities.map(({ file }) => file), trustFile, adminFile].map((file) => readFile(file, 'utf8')));

  test('are their owner’s alone, and the issuer’s and the administrator’s are not among those that are handed out', async () => {
    const { identities, trustFile, adminFile } = await ensure();
    expect(adminFile).toBe(join(dir, 'issuer', 'admin.pem'));
    for (const { file } of identities) {
      expect(file.startsWith(join(dir, 'out/'))).toBe(true);
      expect((await stat(file)).mode & 0o077).toBe(0);
    }
    expect(await readTrustFile(trustFile)).toEqual(await readTrustFile(join(dir, 'issuer', 'trust.json')));
    for (const name of ['issuer.pem', 'admin.pem', 'issued'])
      await expect(stat(join(dir, 'out', name)), name).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('are the same when they are made again, also with a node more', async () => {
    const first = await filesOf(await ensure());
    expect(await filesOf(await ensure())).toEqual(first);
    const more = await ensure(NOW, ['m1', 'm2']);
    expect(more.identities.map(({ name }) => name)).toContain('service/node/m2');
    expect(await filesOf(more)).toEqual(expect.arrayContaining(first));
  });

  test('stay when their tokens are past half of their time, and get new ones', async () => {
    const { identities } = await ensure();
    const before = await Promise.all(identities.map(({ file }) => readKeyFile(file)));
    await ensure(NOW + 46 * DAY_MS);
    for (const [index, { file }] of identities.entries()) {
      const now = await readKeyFile(file);
      expect(now.keyPair.fingerprint).toBe(before[index]!.keyPair.fingerprint);
      expect(now.token).not.toBe(before[index]!.token);
    }
  });
});
