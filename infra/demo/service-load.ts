import { Agent, get } from 'node:http';
import { messageOf } from '../../services/base/errors.ts';
import type { Resolver } from '../../services/kuafu/contract.ts';

export interface LoadCounts {
  requests: number;
  failures: string[];
  /** Answers by version. */
  byVersion: Record<string, number>;
}

export interface ServiceLoad {
  /** So far. */
  counts(): LoadCounts;
  /** Resolves when the last requests have their answers. */
  stop(): Promise<LoadCounts>;
}

/** A request that is not answered by then has failed. */
const TIMEOUT_MS = 5_000;

/**
 * Constant load on a service that is found through Nuwa: some callers, each asking again as soon as it has its answer, taking the instances in turn.
 * Nothing is tried twice: whatever is not answered with 200 counts as failed.
 */
export function loadService(resolver: Resolver, address: string, { callers = 4 }: { callers?: number } = {}): ServiceLoad {
  const agent = new Agent({ keepAlive: true });
  const counts: LoadCounts = { requests: 0, failures: [], byVersion: {} };
  let turn = 0;
  let stopping = false;

  const ask = async (): Promise<void> => {
    counts.requests++;
    let instance = 'no instance';
    try {
      const instances = await resolver.resolve(address);
      if (instances.length === 0) throw new Error(`nobody is registered at ${address}`);
      instance = instances[turn++ % instances.length]!.replace('tcp:', 'http:');
      const { version } = JSON.parse(await fetchText(instance, agent)) as { version: string };
      counts.byVersion[version] = (counts.byVersion[version] ?? 0) + 1;
    } catch (error) {
      counts.failures.push(`${instance}: ${messageOf(error)}`);
    }
  };
  const caller = async (): Promise<void> => {
    while (!stopping) {
      await ask();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const running = Array.from({ length: callers }, caller);
  return {
    counts: () => structuredClone(counts),
    async stop() {
      stopping = true;
      await Promise.all(running);
      agent.destroy();
      return counts;
    },
  };
}

/** Load, and not a test of how much the machine can bear. */
const PAUSE_MS = 5;

function fetchText(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, timeout: TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('error', reject);
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`status ${response.statusCode}`))));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.on('error', reject);
  });
}
