import { silentLogger } from '../../../../services/base/log.ts';
import { type DoorOptions, startZookeeperDoor } from '../../../../services/nuwa/zookeeper/door.ts';
import type { Harness } from '../harness.ts';

/** A group with a ZooKeeper door at each of its servers. @returns where they are. */
export async function openDoors(harness: Harness, servers: number, options: Partial<DoorOptions> = {}): Promise<string[]> {
  const group = await harness.group(servers);
  return await Promise.all(
    group.map(async (server) => {
      const door = await startZookeeperDoor({ group: server.group, listen: '127.0.0.1:0', log: silentLogger, ...options });
      harness.onClose(() => door.close());
      return door.address;
    }),
  );
}
