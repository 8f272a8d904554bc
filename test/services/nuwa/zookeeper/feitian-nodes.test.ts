import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import { FEITIAN_PATHS, type NuwaClient } from '../../../../services/nuwa/contract.ts';
import { startZookeeperDoor } from '../../../../services/nuwa/zookeeper/door.ts';
import { isFeitians } from '../../../../services/nuwa/zookeeper/feitian-nodes.ts';
import { ERRORS, EVENTS, OPS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import type { Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import { filesBelow } from '../../../helpers/source-files.ts';
import { Harness } from '../harness.ts';
import { ZkClient } from './zk-client.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('what Feitian keeps in the tree', () => {
  const harness = new Harness();
  let zk: ZkClient;
  let nuwa: NuwaClient;

  beforeAll(async () => {
    const [server] = await harness.group(1);
    nuwa = await harness.client(server!.address);
    const door = await startZookeeperDoor({ group: server!.group, listen: '127.0.0.1:0', log: silentLogger });
    harness.onClose(() => door.close());
    zk = new ZkClient(door.address);
    harness.onClose(() => zk.end());
    expect(await zk.connect()).toBe(true);
    await nuwa.create('/services/pangu-master/one', bytes('where it is'), { parents: true });
    await nuwa.create('/zhongkui/revoked', bytes(''), { parents: true });
  });
  afterAll(() => harness.close());

  const at = (path: string) => (writer: Writer) => writer.string(path);
  const PATHS = ['/services', '/services/pangu-master/one', '/services/none', '/zhongkui/revoked', '/nodes', '/dayu/shrink', '/fuxi/epoch'];

  test.each(PATHS)('%s cannot be read through the ZooKeeper door, whether it is there or not', async (path) => {
    for (const op of [OPS.exists, OPS.getData, OPS.getChildren, OPS.getChildren2]) {
      const { error } = await zk.request(op, (writer) => {
        writer.string(path);
        writer.bool(true);
      });
      expect(error, String(op)).toBe(ERRORS.noAuth);
    }
    for (const op of [OPS.getAcl, OPS.getAllChildrenNumber]) expect((await zk.request(op, at(path))).error).toBe(ERRORS.noAuth);
    for (const mode of [0, 1]) {
      const { error } = await zk.request(OPS.addWatch, (writer) => {
        writer.string(path);
        writer.int(mode);
      });
      expect(error).toBe(ERRORS.noAuth);
    }
    const check = await zk.request(OPS.check, (writer) => {
      writer.string(path);
      writer.int(-1);
    });
    expect(check.error).toBe(ERRORS.noAuth);
  });

  test.each(PATHS)('%s cannot be changed there', async (path) => {
    expect((await zk.create(path, 'x')).error).toBe(ERRORS.noAuth);
    expect((await zk.create(`${path}/below`, 'x')).error).toBe(ERRORS.noAuth);
    expect((await zk.create(`${path}/l-`, 'x', 2)).error).toBe(ERRORS.noAuth);
    expect((await zk.set(path, 'x')).error).toBe(ERRORS.noAuth);
    const deleted = await zk.request(OPS.delete, (writer) => {
      writer.string(path);
      writer.int(-1);
    });
    expect(deleted.error).toBe(ERRORS.noAuth);
  });

  test('is told by no watch that was set above it, and the rest is', async () => {
    await zk.request(OPS.addWatch, (writer) => {
      writer.string('/');
      writer.int(1);
    });
    await nuwa.create('/services/pangu-master/two', bytes('x'));
    await nuwa.set('/services/pangu-master/one', bytes('elsewhere'));
    await nuwa.create('/nodes', bytes(''));
    await nuwa.create('/books', bytes(''));
    await nuwa.delete('/nodes');
    await zk.create('/last', '');
    expect(await zk.untilEvents(2)).toEqual([
      { type: EVENTS.created, path: '/books' },
      { type: EVENTS.created, path: '/last' },
    ]);
  });

  test('are names that begin so and no others', async () => {
    expect(['/servicesx', '/service', '/', '/a/services'].filter(isFeitians)).toEqual([]);
    expect((await zk.create('/servicesx', 'mine')).error).toBe(ERRORS.ok);
  });
});

test('every path of the tree that a service names is one of them', () => {
  const root = fileURLToPath(new URL('../../../..', import.meta.url));
  const files = ['services', 'infra', 'activities'].flatMap((folder) => filesBelow(root, folder)).filter((file) => file.endsWith('.ts'));
  const found = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/[A-Z]_PATH = '(\/[^']*)'/g)].map(([, path]) => path!),
  );
  expect(found.length).toBeGreaterThan(3);
  expect(found.filter((path) => !isFeitians(path))).toEqual([]);
  expect(FEITIAN_PATHS.length).toBe(6);
});
