import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Latencies } from '../nuwa/latencies.ts';
import type { Measured } from '../nuwa/rounds.ts';
import {
  MESSAGE_BYTES,
  type Part,
  type Question,
  type StreamTold,
  type SystemName,
  type SystemOptions,
  type UnaryTold,
} from './systems.ts';

const PROCESS = fileURLToPath(new URL('./process.ts', import.meta.url));

/** A bench that fails leaves nobody behind. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The two processes of one system. They live through all rounds: what is measured is code that is warm. */
export class Pair {
  readonly #server: Half;
  readonly #caller: Half;

  private constructor(server: Half, caller: Half) {
    this.#server = server;
    this.#caller = caller;
  }

  static async start(system: SystemName, options: SystemOptions): Promise<Pair> {
    const server = new Half({ system, options });
    try {
      const address = await server.told<string>();
      const caller = new Half({ system, options, address });
      await caller.told();
      return new Pair(server, caller);
    } catch (error) {
      server.stop();
      throw error;
    }
  }

  async unary(inFlight: number, seconds: number): Promise<Measured> {
    const { told, serverMs } = await this.#ask<UnaryTold>({ ask: 'unary', inFlight, seconds });
    const latencies = new Latencies(told.latencies);
    return {
      perSecond: told.calls / seconds,
      p50Ms: latencies.quantile(0.5),
      p99Ms: latencies.quantile(0.99),
      serverUs: (serverMs * 1000) / told.allCalls,
      clientUs: (told.cpuMs * 1000) / told.allCalls,
    };
  }

  /** `perSecond` is MB, processor time is that of a message. */
  async stream(direction: 'up' | 'down', seconds: number): Promise<Measured> {
    const { told, serverMs } = await this.#ask<StreamTold>({ ask: direction, seconds });
    return {
      perSecond: (told.messages * MESSAGE_BYTES) / 1000 / told.tookMs,
      p50Ms: Number.NaN,
      p99Ms: Number.NaN,
      serverUs: (serverMs * 1000) / told.allMessages,
      clientUs: (told.cpuMs * 1000) / told.allMessages,
    };
  }

  async #ask<T>(question: Question): Promise<{ told: T; serverMs: number }> {
    const beforeMs = await this.#server.ask<number>({ ask: 'cpuMs' });
    const told = await this.#caller.ask<T>(question);
    return { told, serverMs: (await this.#server.ask<number>({ ask: 'cpuMs' })) - beforeMs };
  }

  stop(): void {
    this.#caller.stop();
    this.#server.stop();
  }
}

class Half {
  readonly #child: ChildProcess;
  readonly #what: string;

  constructor(part: Part) {
    this.#what = `the ${part.address === undefined ? 'server' : 'caller'} of ${part.system}`;
    const child = fork(PROCESS, [JSON.stringify(part)], {
      execArgv: [...profileArgs(part), '--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
  }

  ask<T>(question: Question): Promise<T> {
    if (!this.#child.connected) return Promise.reject(new Error(`${this.#what} is gone`));
    const told = this.told<T>();
    this.#child.send(question);
    return told;
  }

  /** The next thing it says. */
  told<T = unknown>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.#child.off('message', onMessage);
        this.#child.off('exit', onExit);
      };
      const onMessage = (message: unknown): void => {
        settled();
        const { told, error } = message as { told?: T; error?: string };
        if (error === undefined) resolve(told as T);
        else reject(new Error(`${this.#what}: ${error}`));
      };
      const onExit = (code: number | null): void => {
        settled();
        reject(new Error(`${this.#what} ended with ${code}`));
      };
      this.#child.once('message', onMessage);
      this.#child.once('exit', onExit);
    });
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** `FEITIAN_BENCH_PROFILE=DIR`: each process leaves a profile of its processor time below it; the larger file is that of its main thread, the other of the loader. */
function profileArgs({ system, address }: Part): string[] {
  const dir = process.env.FEITIAN_BENCH_PROFILE;
  return dir ? ['--cpu-prof', '--cpu-prof-dir', join(dir, `${system}-${address === undefined ? 'server' : 'caller'}`)] : [];
}
