import { connectMany, startManyServer } from '../services/kuafu/many-connections.ts';

/** Ten thousand idle connections and a thousand callers at once, again and again. Both processes need as many open files: `ulimit -n 20000` first. */
const CONNECTIONS = 10_000;
const CALLERS = 1_000;
const ROUNDS = 20;

export async function run({ minutes, say }: { minutes: number; say: (line: string) => void }): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  const server = await startManyServer(CONNECTIONS);
  const before = await server.weigh();
  const startedMs = performance.now();
  const all = await connectMany(server.address, CONNECTIONS);
  const connectedMs = performance.now();
  const idle = await server.weigh();
  const perConnection = (key: 'rss' | 'heapUsed' | 'external'): string => ((idle[key] - before[key]) / CONNECTIONS / 1000).toFixed(1);
  say(
    `${idle.connections} connections in ${((connectedMs - startedMs) / 1000).toFixed(1)} s; of each the server holds ` +
      `${perConnection('rss')} KB (heap ${perConnection('heapUsed')} KB, external ${perConnection('external')} KB); rss ${(idle.rss / 1e6).toFixed(0)} MB`,
  );
  do {
    const latenciesMs: number[] = [];
    let unanswered = 0;
    const callsStartedMs = performance.now();
    for (let round = 1; round <= ROUNDS; round++) {
      // Others each time, spread over all.
      const some = Array.from({ length: CALLERS }, (_, i) => all[(round * CALLERS + i * Math.floor(CONNECTIONS / CALLERS)) % CONNECTIONS]!);
      await Promise.all(
        some.map(async (caller) => {
          const sentMs = performance.now();
          if (await caller.call(round)) latenciesMs.push(performance.now() - sentMs);
          else unanswered++;
        }),
      );
    }
    const tookS = (performance.now() - callsStartedMs) / 1000;
    latenciesMs.sort((a, b) => a - b);
    const at = (share: number): string => latenciesMs[Math.floor((latenciesMs.length - 1) * share)]!.toFixed(1);
    const { connections, rss } = await server.weigh();
    say(
      `${CALLERS} callers at once, ${ROUNDS} rounds: ${unanswered} unanswered, ${Math.round((CALLERS * ROUNDS) / tookS)} calls/s, ` +
        `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms; ${connections} connections, rss ${(rss / 1e6).toFixed(0)} MB`,
    );
    if (unanswered > 0 || connections !== CONNECTIONS) throw new Error(`${unanswered} calls unanswered, ${connections} connections left`);
  } while (performance.now() < endMs);
  for (const caller of all) caller.close();
  server.close();
}
