import { connectMany, startManyServer } from '../services/kuafu/many-connections.ts';

/**
 * Ten thousand idle connections and a thousand callers at once. Both processes need as many open files: `ulimit -n 20000` first.
 *
 *   node --import tsx test/soak/connections.ts [connections] [callers]
 */
const [connections = 10_000, callers = 1_000] = process.argv.slice(2).map(Number);
const ROUNDS = 20;
const server = await startManyServer(connections);
const before = await server.weigh();
const startedMs = performance.now();
const all = await connectMany(server.address, connections);
const connectedMs = performance.now();
const idle = await server.weigh();
const perConnection = (key: 'rss' | 'heapUsed' | 'external'): string => ((idle[key] - before[key]) / connections / 1000).toFixed(1);
console.log(
  `${idle.connections} connections in ${((connectedMs - startedMs) / 1000).toFixed(1)} s; of each the server holds ` +
    `${perConnection('rss')} KB (heap ${perConnection('heapUsed')} KB, external ${perConnection('external')} KB); rss ${(idle.rss / 1e6).toFixed(0)} MB`,
);
const latenciesMs: number[] = [];
let unanswered = 0;
const callsStartedMs = performance.now();
for (let round = 1; round <= ROUNDS; round++) {
  // Others each time, spread over all.
  const some = Array.from({ length: callers }, (_, i) => all[(round * callers + i * Math.floor(connections / callers)) % connections]!);
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
console.log(
  `${callers} callers at once, ${ROUNDS} rounds: ${unanswered} unanswered, ${Math.round((callers * ROUNDS) / tookS)} calls/s, ` +
    `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`,
);
const after = await server.weigh();
console.log(`after: ${after.connections} connections, rss ${(after.rss / 1e6).toFixed(0)} MB`);
for (const caller of all) caller.close();
server.close();
process.exit(unanswered === 0 && after.connections === connections ? 0 : 1);
