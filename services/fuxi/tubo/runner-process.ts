/** One runner as Tubo sees it: a process group that is started, given attempts one at a time, and killed as a whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { processStartTime, sendSignal } from '../../base/process.ts';
import { type AttemptResult, FuxiError } from '../contract.ts';
import { STDERR_TAIL_BYTES, withStandardError } from '../runner/failures.ts';
import type { AttemptIdentity, AttemptOrder, IdentityRenewal, RunnerMessage } from '../runner/messages.ts';

/** A runner starts in well under a second; on a machine that is out of memory it may never. */
const START_TIMEOUT_MS = 30_000;
/** Half of a container's memory for objects of the program; buffers lie outside V8's heap. */
const HEAP_SHARE = 0.5;
const HEAP_MIB_MIN = 64;
/** How long to wait for a dead runner's last words when something keeps its pipes open. */
const PIPES_OPEN_MS = 1_000;

export interface RunnerOptions {
  /** The container's directory; the working directory is `work/` in it. */
  directory: string;
  env: Record<string, string>;
  memoryMiB: number;
}

interface Pending {
  order: AttemptOrder;
  startedAtMs: number;
  onProgress: (progress: { bytesIn: number; recordsIn: number }) => void;
  resolve: (result: AttemptResult) => void;
}

export class RunnerProcess {
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  #ended = false;
  #pending: Pending | undefined;
  #lastWords: Buffer = Buffer.alloc(0);

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid!;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (bytes: Buffer) => this.#hear(bytes));
    child.on('message', (message: RunnerMessage) => this.#handle(message));
    // 'close' comes after 'exit' and after the last words, unless a member of the group that still lives holds the pipes.
    this.exited = new Promise((resolve) =>
      child.once('exit', () => {
        this.#ended = true;
        sendSignal(-this.pid, 'SIGKILL'); // whatever of the group is left
        const timer = setTimeout(resolve, PIPES_OPEN_MS);
        child.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
      }),
    );
  }

  static async start({ directory, env, memoryMiB }: RunnerOptions): Promise<RunnerProcess> {
    const heapMiB = Math.max(HEAP_MIB_MIN, Math.floor(memoryMiB * HEAP_SHARE));
    const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, ...runnerArguments()], {
      cwd: join(directory, 'work'),
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
      detached: true,
      serialization: 'json',
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new FuxiError('NodeLost', `a container's process could not be started: ${error.message}`, { cause: error })),
      );
    });
    const ready = new Promise<void>((resolve) => child.once('message', () => resolve()));
    const runner = new RunnerProcess(child);
    child.stdio[4]?.on('error', () => {}); // the guard's end of the pipe; it says nothing
    const startTime = await processStartTime(runner.pid);
    if (startTime !== undefined) await writeFile(join(directory, 'pid'), JSON.stringify({ pid: runner.pid, startTime }));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, START_TIMEOUT_MS);
    });
    const outcome = await Promise.race([ready.then(() => 'ready'), runner.exited.then(() => 'ended'), late.then(() => 'late')]);
    clearTimeout(timer);
    if (outcome === 'ready') return runner;
    await runner.kill();
    const summary =
      outcome === 'late' ? `a container's process was not ready after ${START_TIMEOUT_MS} ms` : "a container's process ended at its start";
    throw withStandardError('NodeLost', summary, runner.#lastWords.toString());
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** Runs one attempt. Resolves also when the process dies of it. */
  run(order: AttemptOrder, onProgress: Pending['onProgress']): Promise<AttemptResult> {
    return new Promise((resolve) => {
      this.#pending = { order, startedAtMs: performance.now(), onProgress, resolve };
      // What cannot be sent to a process that ends is told by its end, which may have been before.
      this.#child.send(order, () => {});
      void this.exited.then(() => this.#fail());
    });
  }

  /** The identity of the attempt that runs was renewed. */
  renew(identity: AttemptIdentity): void {
    const message: IdentityRenewal = { kind: 'identity', identity };
    this.#child.send(message, () => {});
  }

  /** Kills the process group; resolves when the runner is gone. */
  async kill(): Promise<void> {
    if (!this.#ended) sendSignal(-this.pid, 'SIGKILL');
    await this.exited;
  }

  #handle(message: RunnerMessage): void {
    if (message.kind === 'progress') this.#pending?.onProgress(message);
    else if (message.kind === 'result') this.#settle(message.result);
  }

  #settle(result: AttemptResult): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(result);
  }

  #hear(bytes: Buffer): void {
    const joined = Buffer.concat([this.#lastWords, bytes]);
    this.#lastWords = joined.subarray(Math.max(0, joined.length - STDERR_TAIL_BYTES));
  }

  /** The process has ended: so has the attempt in it. */
  #fail(): void {
    if (!this.#pending) return;
    const { order, startedAtMs } = this.#pending;
    const { exitCode, signalCode } = this.#child;
    const how = signalCode
      ? `the container's process was killed by ${signalCode}`
      : `the program ended its process with exit code ${exitCode}`;
    const failure = withStandardError('ProgramFailed', how, this.#lastWords.toString());
    const ms = Math.round(performance.now() - startedAtMs);
    this.#settle({ instance: order.instance, attempt: order.attempt, ok: false, ms, code: failure.code, message: failure.reason });
  }
}

/**
 * The runner of our own build where we run from one: it starts in half the time that tsx takes to load the same files. Else its source, through
 * tsx. Absolute, for the working directory is the container's.
 */
function runnerArguments(): string[] {
  const build = process.env.FEITIAN_BUILD;
  if (build) return [join(build, 'runner.js')];
  const tsx = createRequire(import.meta.url).resolve('tsx/esm');
  return ['--import', pathToFileURL(tsx).href, fileURLToPath(new URL('../runner/main.ts', import.meta.url))];
}
