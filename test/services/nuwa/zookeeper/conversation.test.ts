import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { Harness } from '../harness.ts';
import { converse } from './conversation.ts';
import { openDoors } from './doors.ts';
import { startRealZookeeper, zookeeperClassPath } from './real-zookeeper.ts';

/**
 * What ZooKeeper itself said in a conversation about everything (3.8.0-11+deb12u2) is kept in conversation.txt, and the door is asked the same. With
 * REWRITE=1 ZooKeeper is asked anew, where it is installed (apt install zookeeper), and its answers are to be read as a diff.
 */
const STORED = new URL('conversation.txt', import.meta.url);
const REWRITE = process.env.REWRITE === '1';

interface Difference {
  why: string;
  asked: RegExp;
  zookeeper: RegExp;
  here: RegExp;
}

/** Everything in which the door answers otherwise. Each is said on the door's page, too. */
const DIFFERENCES: readonly Difference[] = [
  {
    why: 'counters of sequential nodes count those that were made, not all changes of the children',
    asked: /^a: createTtl "\/m\/ttl-"/,
    zookeeper: /^ok \/m\/ttl-0000000005 /,
    here: /^ok \/m\/ttl-0000000002 /,
  },
  {
    why: 'each operation of a transaction has a zxid of its own, so what was made and set in one has two',
    asked: /^a: multi: create, create2, set/,
    zookeeper: /setData ok \[new v1 /,
    here: /setData ok \[set v1 /,
  },
  {
    why: 'a path that is none is so for every request, not only for those that make or set',
    asked: /^a: (create|delete|exists|getData|getChildren) "(|path|.*\/|.*\/\/.*|.*\/\.\.?(\/.*)?|\/path\/\\u0001\/x)"/,
    zookeeper: /^(noNode|ok .*)$/,
    here: /^badArguments$/,
  },
  {
    why: '/zookeeper and what is below it cannot be changed',
    asked: /^a: (create|setData) "\/zookeeper/,
    zookeeper: /^ok /,
    here: /^(noAuth|noNode)$/,
  },
  {
    why: 'a request of an unknown kind is refused and ends nothing',
    asked: /^c: after request 77/,
    zookeeper: /^is closed$/,
    here: /^goes on$/,
  },
];

describe('a conversation about everything', () => {
  const harness = new Harness();
  afterAll(() => harness.close());

  test.runIf(REWRITE)('is held with ZooKeeper itself', { timeout: 60_000 }, async () => {
    const classPath = zookeeperClassPath();
    if (!classPath) throw new Error('ZooKeeper is not installed here: apt install zookeeper');
    const zookeeper = await startRealZookeeper(classPath);
    harness.onClose(() => zookeeper.close());
    writeFileSync(STORED, `${(await converse(zookeeper.address)).join('\n').trim()}\n`);
  });

  test('goes with the door as it goes with ZooKeeper, but for what is listed here', async () => {
    const [door] = await openDoors(harness, 1);
    const here = (await converse(door!)).join('\n').trim().split('\n');
    const stored = readFileSync(STORED, 'utf8').trim().split('\n');
    const unused = new Set(DIFFERENCES);
    const asStored = here.map((line, i) => {
      const [asked, said] = split(line);
      const [storedAsked, storedSaid] = split(stored[i] ?? '');
      if (line === stored[i] || asked !== storedAsked) return line;
      const difference = DIFFERENCES.find((each) => each.asked.test(asked) && each.zookeeper.test(storedSaid) && each.here.test(said));
      if (!difference) return line;
      unused.delete(difference);
      return stored[i]!;
    });
    expect(asStored).toEqual(stored);
    expect([...unused], 'differences that are none any more').toEqual([]);
  });
});

function split(line: string): [asked: string, said: string] {
  const at = line.indexOf(' -> ');
  return at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + 4)];
}
