import { join } from 'node:path';
import { freePort } from '../../../infra/cluster/ports.ts';
import { runProgram } from '../../../infra/setup/run-program.ts';
import { awaitPort, type ServerProcess, startServer } from '../nuwa/processes.ts';
import type { Measured } from '../nuwa/rounds.ts';

/** Its client also warms up, 1.5 s for each number of calls in flight; one that hangs is to fail the bench, not to hold it. */
const EXTRA_MS = 90_000;

/**
 * grpc-go's client does all cases in one go and cannot be asked for one. So the first case of a round that wants a figure has it run, and the others of that round
 * take theirs from the same run.
 */
export class GrpcGo {
  readonly #program: string;
  readonly #server: ServerProcess;
  readonly #port: number;
  readonly #seconds: number;
  readonly #mib: number;
  #figures = new Map<string, Measured>();

  private constructor(program: string, server: ServerProcess, port: number, seconds: number, mib: number) {
    this.#program = program;
    this.#server = server;
    this.#port = port;
    this.#seconds = seconds;
    this.#mib = mib;
  }

  static async start(program: string, dir: string, seconds: number, mib: number): Promise<GrpcGo> {
    const port = await freePort();
    const server = startServer('grpc-go', [program, 'server', `${port}`], {}, join(dir, 'grpc-go.log'));
    await awaitPort(port, server);
    return new GrpcGo(program, server, port, seconds, mib);
  }

  /** @param name `unary 64`, `up`, `down`. */
  async measure(name: string): Promise<Measured> {
    if (!this.#figures.has(name)) await this.#run();
    const figure = this.#figures.get(name);
    if (!figure) throw new Error(`grpc-go's client says nothing of ${name}`);
    this.#figures.delete(name);
    return figure;
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #run(): Promise<void> {
    const args = ['client', `${this.#port}`, 'grpc-go', `${this.#seconds}`, `${this.#mib}`];
    const { stdout } = await runProgram(this.#program, args, { timeoutMs: this.#seconds * 3_000 + EXTRA_MS });
    this.#figures = new Map(stdout.trim().split('\n').map(figureOf));
  }
}

function figureOf(line: string): [string, Measured] {
  const told = JSON.parse(line) as { op: string; c?: number; per_s?: number; p50_ms?: number; p99_ms?: number; MBps?: number };
  if (told.op === 'unary') return [`unary ${told.c}`, { perSecond: told.per_s!, p50Ms: told.p50_ms!, p99Ms: told.p99_ms! }];
  return [told.op.includes('up') ? 'up' : 'down', { perSecond: told.MBps!, p50Ms: Number.NaN, p99Ms: Number.NaN }];
}
