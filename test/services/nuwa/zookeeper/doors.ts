import { silentLogger } from '../../../../services/base/log.ts';
import type { NuwaGroup } from '../../../../services/nuwa/group/port.ts';
import { type DoorOptions, startZookeeperDoor } from '../../../../services/nuwa/zookeeper/door.ts';
import type { Harness } from '../harness.ts';

/** A group with a ZooKeeper door at each of its servers. @returns where they are. */
export async function openDoors(harness: Harness, servers: number, options: Partial<DoorOptions> = {}): Promise<string[]> {
  const group = await harness.group(servers);
  return await Promise.all(group.map((server) => openDoor(harness, server.group, options)));
}

async function openDoor(harness: Harness, group: NuwaGroup, options: Partial<DoorOptions>): Promise<string> {
  const door = await startZookeeperDoor({ group, listen: '127.0.0.1:0', log: silentLogger, ...options });
  harness.onClose(() => door.close());
  return door.address;
}

/** A group that does nothing of what it is asked until it is told to. */
export interface Held {
  /** From now on changes, reads or both wait. */
  hold(what: { changes?: boolean; reads?: boolean }): void;
  /** What waits is done, and nothing waits any more. */
  release(): void;
  /** How often it was asked to confirm that reads are not old. */
  readsAsked: number;
}

/** A door at a group of one that can be held. */
export async function openHeldDoor(harness: Harness, options: Partial<DoorOptions> = {}): Promise<{ address: string; held: Held }> {
  const [server] = await harness.group(1);
  const { group } = server!;
  let holding: { changes?: boolean; reads?: boolean } = {};
  const waiting: (() => void)[] = [];
  const held: Held = {
    readsAsked: 0,
    hold: (what) => {
      holding = what;
    },
    release: () => {
      holding = {};
      for (const each of waiting.splice(0)) each();
    },
  };
  const holdable = new Proxy(group as NuwaGroup, {
    get(target, name) {
      if (name === 'submit')
        return (...asked: Parameters<NuwaGroup['submit']>) => {
          if (holding.changes) waiting.push(() => target.submit(...asked));
          else target.submit(...asked);
        };
      if (name === 'read')
        return (ready: (ok: boolean) => void) => {
          held.readsAsked++;
          if (holding.reads) waiting.push(() => target.read(ready));
          else target.read(ready);
        };
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { address: await openDoor(harness, holdable, options), held };
}
