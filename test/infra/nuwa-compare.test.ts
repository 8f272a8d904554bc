import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareServers, judge, type Seen } from '../../infra/cli/ui/nuwa-compare.ts';
import type { NuwaServerClient } from '../../infra/cli/ui/nuwa-group.ts';
import { Harness, type NuwaServer } from '../services/nuwa/harness.ts';

const seen = (modifyRevision: number, text = `${modifyRevision}`): Seen => ({
  value: Buffer.from(text),
  version: 0,
  createRevision: 1,
  modifyRevision,
  creator: 'test',
});

describe('what servers hold at a path', () => {
  test.each<[string, Seen[][], ReturnType<typeof judge>]>([
    [
      'is the same when they agree at last',
      [
        [seen(4), seen(5)],
        [seen(5), seen(5)],
      ],
      'same',
    ],
    [
      'is the same when it is gone from all',
      [
        [seen(4), undefined],
        [undefined, undefined],
      ],
      'same',
    ],
    [
      'is different when one never follows',
      [
        [seen(4), seen(5)],
        [seen(4), seen(5)],
        [seen(4), seen(5)],
      ],
      'different',
    ],
    [
      'is different when it is missing on one for good',
      [
        [seen(4), undefined],
        [seen(4), undefined],
      ],
      'different',
    ],
    [
      'is different when one revision has two values, whatever comes after',
      [
        [seen(4, 'a'), seen(4, 'b')],
        [seen(5), seen(6)],
      ],
      'different',
    ],
    [
      'cannot be told when it changes all the time',
      [
        [seen(4), seen(5)],
        [seen(6), seen(5)],
        [seen(6), seen(8)],
      ],
      'moving',
    ],
  ])('%s', (_title, history, verdict) => {
    expect(judge(history)).toBe(verdict);
  });
});

describe('the servers of a group', () => {
  const harness = new Harness();
  let servers: NuwaServer[];
  let rpcs: NuwaServerClient[];
  beforeAll(async () => {
    servers = await harness.group(3);
    rpcs = servers.map(({ address }) => harness.rpc(address));
    const client = await harness.client(servers.map(({ address }) => address));
    for (let n = 0; n < 30; n++) await client.create(`/d-${n % 5}/e/n-${n}`, Buffer.from(`${n}`), { parents: true });
  });
  afterAll(() => harness.close());

  test('hold the same tree', async () => {
    expect(await compareServers(rpcs)).toEqual({ nodes: 40, differences: [], moving: [] });
  });

  test('are found to differ by a value that only one of them has', async () => {
    // As a broken server would: not through the log.
    const node = servers[1]!.group.state.root.children!.get('d-1')!.children!.get('e')!.children!.get('n-1')!;
    Object.assign(node, { modifyRevision: node.modifyRevision + 1_000 });
    const { differences } = await compareServers(rpcs);
    expect(differences.map(({ path }) => path)).toEqual(['/d-1/e/n-1']);
    const [first, second, third] = differences[0]!.seen.map((each) => each!.modifyRevision);
    expect([first, third]).toEqual([second! - 1_000, second! - 1_000]);
  });
});
