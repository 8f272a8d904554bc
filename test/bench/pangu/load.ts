import { Latencies } from '../nuwa/latencies.ts';

/** Runs `work` again and again, `inFlight` at once, for so long, or at most so often. */
export async function repeat(
  work: (index: number) => Promise<unknown>,
  { seconds, inFlight, atMost = Number.POSITIVE_INFINITY }: { seconds: number; inFlight: number; atMost?: number },
): Promise<{ count: number; perSecond: number; p50Ms: number; p99Ms: number }> {
  const latencies = new Latencies();
  const startedMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startedMs < seconds * 1000 && next < atMost) {
      const beganMs = performance.now();
      await work(next++);
      latencies.add(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const tookMs = performance.now() - startedMs;
  return { count: next, perSecond: next / (tookMs / 1000), p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) };
}

/** MB of 10^6 bytes a second, as disks are sold and as peers' programs count. */
export async function megabytesPerSecond(bytes: number, work: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await work();
  return bytes / 1e6 / ((performance.now() - startedMs) / 1000);
}
