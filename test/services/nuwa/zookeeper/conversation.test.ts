import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { Harness } from '../harness.ts';
import { converse } from './conversation.ts';
import { openDoors } from './doors.ts';
import { startRealZookeeper, zookeeperClassPath } from './real-zookeeper.ts';

/**
 * What ZooKeeper 3.8 itself said in a conversation about everything is kept in conversation.txt; the door is asked the same. With REWRITE=1 ZooKeeper is
 * asked anew, where it is installed (apt install zookeeper), and its answers are to be read as a diff.
 */
const STORED = new URL('conversation.txt', import.meta.url);
const REWRITE = process.env.REWRITE === '1';

describe('a conversation about everything', () => {
  const harness = new Harness();
  afterAll(() => harness.close());

  test.runIf(REWRITE)('is held with ZooKeeper itself', { timeout: 60_000 }, async () => {
    const zookeeper = await startRealZookeeper(zookeeperClassPath()!);
    harness.onClose(() => zookeeper.close());
    writeFileSync(STORED, `${(await converse(zookeeper.address)).join('\n').trim()}\n`);
  });

  test('goes with the door as it goes with ZooKeeper, but for what is listed here', async () => {
    const [door] = await openDoors(harness, 1);
    expect(`${(await converse(door!)).join('\n').trim()}\n`).toBe(readFileSync(STORED, 'utf8'));
  });
});
