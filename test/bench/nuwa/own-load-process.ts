import { setMaxListeners } from 'node:events';
import { silentLogger } from '../../../services/base/log.ts';
import { connectNuwa } from '../../../services/nuwa/client.ts';
import type { NuwaClient } from '../../../services/nuwa/contract.ts';
import { Heard } from './heard.ts';
import { Latencies } from './latencies.ts';
import { LOADED, type OwnPlan, type OwnResult, PER_DIRECTORY, READ_PATH, WATCHED, WRITTEN, wallMs } from './own-plan.ts';
import { watchCreations } from './zookeeper-watcher.ts';

/** One process of our own client: `own-load-process.ts <plan>`. Says when it is connected, begins when it is told to, and sends its figures. */
const plan = JSON.parse(process.argv[2]!) as OwnPlan;
process.once('disconnect', () => process.exit(0));

const connect = (addresses: string[]): Promise<NuwaClient> =>
  connectNuwa({ addresses, cluster: 'local', creator: 'bench', ttlMs: 30_000, log: silentLogger });

/** Spread over the servers as the peers' client is. */
const clients = await Promise.all(
  Array.from({ length: plan.clients }, (_, index) => {
    const at = (plan.process * plan.clients + index) % plan.addresses.length;
    return connect([...plan.addresses.slice(at), ...plan.addresses.slice(0, at)]);
  }),
);
const value = Buffer.alloc(plan.valueBytes, 'v');
const work = await prepare();
await new Promise<void>((resolve) => {
  process.once('message', () => resolve());
  process.send!('ready');
});
const result = await work();
process.send!(result, () => process.exit(0));

async function prepare(): Promise<() => Promise<OwnResult>> {
  switch (plan.operation) {
    case 'set': {
      const pathOf = (loop: number): string => `${WRITTEN}/${plan.process}-${loop}`;
      await Promise.all(loops((loop, client) => client.create(pathOf(loop), value, { parents: true }).catch(() => {})));
      return () => closedLoops((loop, client) => client.set(pathOf(loop), value));
    }
    case 'get':
      await clients[0]!.create(READ_PATH, value, { parents: true }).catch(() => {});
      return () => closedLoops((_loop, client) => client.get(READ_PATH));
    case 'announce': {
      const pathOf = (loop: number): string => `${WATCHED}/${plan.process}-${loop}`;
      await Promise.all(loops((loop, client) => client.create(pathOf(loop), value, { parents: true }).catch(() => {})));
      return () => closedLoops((loop, client) => client.set(pathOf(loop), announcement()));
    }
    case 'watch':
      await clients[0]!.create(WATCHED, value, { parents: true }).catch(() => {});
      return watchAll();
    case 'announceNodes': {
      let made = 0;
      await clients[0]!.create(WATCHED, value, { parents: true }).catch(() => {});
      const nextPath = (): string => `${WATCHED}/${wallMs()}-${plan.process}-${made++}`;
      return () => closedLoops((_loop, client) => client.create(nextPath(), value));
    }
    case 'watchDoor':
      return await watchAllAtDoor();
    case 'load':
      return () => loadNodes(plan.from!, plan.to!);
  }
}

function loops<T>(each: (loop: number, client: NuwaClient) => T): T[] {
  return Array.from({ length: plan.inFlight }, (_, loop) => each(loop, clients[loop % clients.length]!));
}

async function closedLoops(call: (loop: number, client: NuwaClient) => Promise<unknown>): Promise<OwnResult> {
  const latencies = new Latencies();
  let errors = 0;
  const countFromMs = performance.now() + plan.warmUpSeconds * 1000;
  const untilMs = countFromMs + plan.seconds * 1000;
  const one = async (loop: number, client: NuwaClient): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < untilMs; ) {
      try {
        await call(loop, client);
      } catch {
        errors++;
      }
      const doneMs = performance.now();
      if (nowMs >= countFromMs && doneMs < untilMs) latencies.add(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(loops(one));
  return { operations: latencies.count, errors, latencies: latencies.toJSON(), tookMs: plan.seconds * 1000 };
}

function announcement(): Buffer {
  return Buffer.from(`${wallMs()} `.padEnd(plan.valueBytes));
}

function watchAll(): () => Promise<OwnResult> {
  const heard = new Heard(plan.seconds);
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const watching = loops(async (loop, client) => {
    for await (const { kind, value } of client.watch(WATCHED, { recursive: true, signal: ending.signal }))
      if (kind === 'changed' && value) heard.event(loop, () => Number.parseFloat(Buffer.from(value).toString()));
  });
  return async () => {
    const result = await heard.listen();
    ending.abort();
    await Promise.all(watching);
    return result;
  };
}

async function watchAllAtDoor(): Promise<() => Promise<OwnResult>> {
  const heard = new Heard(plan.seconds);
  const doors = plan.zookeeper!;
  const ends: (() => void)[] = [];
  // One after another: a server that is asked for hundreds of sessions at once answers none of them in time.
  for (let loop = 0; loop < plan.inFlight; loop++) {
    const onCreated = (path: string): void => heard.event(loop, () => Number.parseFloat(path.slice(WATCHED.length + 1)));
    ends.push(await watchCreations(doors[(plan.process + loop) % doors.length]!, WATCHED, onCreated));
  }
  return async () => {
    const result = await heard.listen();
    for (const end of ends) end();
    return result;
  };
}

async function loadNodes(from: number, to: number): Promise<OwnResult> {
  const latencies = new Latencies();
  let errors = 0;
  let next = from;
  const startedMs = performance.now();
  await Promise.all(
    loops(async (_loop, client) => {
      for (let n = next++; n < to; n = next++) {
        const beganMs = performance.now();
        try {
          await client.create(`${LOADED}/${Math.floor(n / PER_DIRECTORY)}/${n}`, value, { parents: true });
        } catch {
          errors++;
        }
        latencies.add(performance.now() - beganMs);
      }
    }),
  );
  return { operations: to - from - errors, errors, latencies: latencies.toJSON(), tookMs: performance.now() - startedMs };
}
