import { runProgram } from '../../../infra/setup/run-program.ts';
import { type ServerProcess, withServerCost } from './processes.ts';
import type { Measured } from './rounds.ts';

export interface GoLoad {
  /** Path of the program. */
  client: string;
  kind: 'etcd' | 'zk';
  endpoints: readonly string[];
  operation: string;
  clients: number;
  seconds: number;
  valueBytes: number;
  watchers?: number;
  servers: readonly ServerProcess[];
}

/** The client warms up, connects and drains; a service that hangs is to fail the bench, not to hold it. */
const EXTRA_MS = 90_000;
/** Of which it measures none. */
const WARM_UP_SECONDS = 0.7;

/** One run of the peers' load generator: closed loops over at most 32 connections spread over the members. */
export async function goLoad(load: GoLoad): Promise<Measured> {
  const args = ['-kind', load.kind, '-ep', load.endpoints.join(','), '-op', load.operation, '-c', `${load.clients}`];
  args.push('-secs', `${load.seconds}`, '-size', `${load.valueBytes}`);
  if (load.watchers) args.push('-watchers', `${load.watchers}`);
  const { result, serverUs } = await withServerCost(load.servers, async () => {
    const { stdout } = await runProgram(load.client, args, { timeoutMs: load.seconds * 1000 + EXTRA_MS });
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, number>;
    const perSecond = result.per_s ?? result.events_per_s!;
    // The cost is of the warm-up too, so it is shared among what was done in it as well.
    const operations = load.watchers ? result.events_total! : perSecond * (load.seconds + WARM_UP_SECONDS);
    return { result, operations };
  });
  return {
    perSecond: result.per_s ?? result.events_per_s!,
    p50Ms: result.p50_ms!,
    p99Ms: result.p99_ms!,
    errors: result.errs ?? result.events_expected! - result.events_total!,
    ...(serverUs === undefined ? {} : { serverUs }),
  };
}
