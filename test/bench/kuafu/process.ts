import { Latencies } from '../nuwa/latencies.ts';
import { type Caller, type Part, type Question, type StreamTold, SYSTEMS, type UnaryTold } from './systems.ts';

/** One process of a system: `process.ts <part>`. A server tells its address, a caller that it is connected; then both answer one question after another. */
const part = JSON.parse(process.argv[2]!) as Part;
process.once('disconnect', () => process.exit(0));

/** Code that has just been compiled, and connections that have just been made, are measured by nobody. */
const WARM_UP_MS = 700;
const WARM_UP_MESSAGES = 64;

const { caller, address } = await begin().catch((error) => {
  process.send!({ error: textOf(error) });
  process.disconnect();
  return { caller: undefined, address: undefined };
});
process.on('message', (question: Question) => {
  answer(question).then(
    (told) => process.send!({ told }),
    (error) => process.send!({ error: textOf(error) }),
  );
});
if (address !== undefined) process.send!({ told: address });

async function begin(): Promise<{ caller: Caller | undefined; address: string }> {
  const system = await SYSTEMS[part.system](part.options);
  if (part.address === undefined) return { caller: undefined, address: await system.serve() };
  return { caller: await system.connect(part.address), address: part.address };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'cpuMs':
      return cpuMs();
    case 'unary':
      return await closedLoops(caller!, question.inFlight, question.seconds);
    default:
      return await streamed(caller![question.ask], question.seconds);
  }
}

/** As many messages as take about so long, so that a fast system is measured for longer than a moment too. */
async function streamed(stream: (messages: number) => Promise<void>, seconds: number): Promise<StreamTold> {
  const startedCpuMs = cpuMs();
  const warmMs = await timed(() => stream(WARM_UP_MESSAGES));
  const messages = Math.ceil((WARM_UP_MESSAGES * seconds * 1000) / warmMs);
  const tookMs = await timed(() => stream(messages));
  return { messages, tookMs, allMessages: WARM_UP_MESSAGES + messages, cpuMs: cpuMs() - startedCpuMs };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Each loop calls again when it is answered. */
async function closedLoops(caller: Caller, inFlight: number, seconds: number): Promise<UnaryTold> {
  const latencies = new Latencies();
  const countFromMs = performance.now() + WARM_UP_MS;
  const untilMs = countFromMs + seconds * 1000;
  const startedCpuMs = cpuMs();
  let allCalls = 0;
  const loop = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < untilMs; ) {
      await caller.unary();
      allCalls++;
      const doneMs = performance.now();
      // By when they end: to ask when they began too would count fewer of those that take long.
      if (doneMs >= countFromMs && doneMs < untilMs) latencies.add(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return { calls: latencies.count, latencies: latencies.toJSON(), allCalls, cpuMs: cpuMs() - startedCpuMs };
}
