import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { type Door, type DoorOptions, parseListen, startZookeeperDoor } from './door.ts';

export interface KeptDoor {
  /** Where it listens, once it does. */
  readonly address: string | undefined;
  /** Why it does not, for people. */
  readonly problem: string | undefined;
  close(): Promise<void>;
}

/** As the metrics' port: whoever has it may be a server that is about to end. */
const RETRY_BACKOFF = { firstMs: 200, maxMs: 10_000 };

/**
 * Opens the door, and where its port is taken tries again until it is free: a server without it is of use to its group and to Nuwa's own clients, and says what it lacks.
 * Resolves after the first try. Errors: `listen` is no host and port.
 */
export async function keepZookeeperDoor(options: DoorOptions & { clock: Clock }): Promise<KeptDoor> {
  const { clock, listen, log } = options;
  parseListen(listen);
  const closing = new AbortController();
  let door: Door | undefined;
  let problem: string | undefined;
  const open = async (tries: number): Promise<void> => {
    try {
      door = await startZookeeperDoor(options);
      problem = undefined;
    } catch (error) {
      const why = messageOf(error);
      problem = `it does not speak ZooKeeper at ${listen}: ${why}; it tries again until it can`;
      log.warn({ listen, tries, error: why }, 'nuwa.zookeeper.unserved');
    }
  };
  await open(1);
  const trying = (async () => {
    for (let tries = 2; !door && !closing.signal.aborted; tries++) {
      await clock.sleep(backoffMs(tries - 1, systemRandom, RETRY_BACKOFF), closing.signal, { ref: false }).catch(() => {});
      if (!closing.signal.aborted) await open(tries);
    }
  })();
  return {
    get address() {
      return door?.address;
    },
    get problem() {
      return problem;
    },
    close: async () => {
      closing.abort();
      await trying;
      await door?.close();
    },
  };
}
