/**
 * A container on this node: a directory and, while there is work for it, a runner.
 *
 *     containers/<id>/pid        the runner's pid and start time, for whoever has to clean up after a Tubo that died
 *                     work/      working directory; the package, if any, lies here
 *                     scratch/   spills        tmp/   TMPDIR        programs/   modules fetched from Pangu
 *
 * One runner serves one task run. It is replaced when a batch of another comes, when an attempt failed (what the program left in memory or
 * on disk is not trusted) and when it died.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchRequest } from '../contract.ts';
import { attemptFailure } from '../runner/failures.ts';
import type { Packages } from './packages.ts';
import { RunnerProcess } from './runner-process.ts';

/** The next batch for a container comes within a few round trips of the engine; a runner that waits longer is not missed. */
const IDLE_MS = 30_000;

export interface ContainerOptions {
  directory: string;
  env: Record<string, string>;
  packages: Packages;
}

export class Container {
  readonly directory: string;
  readonly #options: ContainerOptions;
  #runner: RunnerProcess | undefined;
  #taskRunId: string | undefined;
  /** Entries of `work/` that belong to the package. */
  #packaged = new Set<string>();
  #idle: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.directory = options.directory;
  }

  /** A runner for attempts of this batch, started if need be. */
  async runner(request: BatchRequest): Promise<RunnerProcess> {
    clearTimeout(this.#idle);
    if (this.#runner?.alive && this.#taskRunId === request.taskRunId) return this.#runner;
    await this.#ending;
    await this.end();
    try {
      await this.#makeDirectories();
      this.#packaged = request.package === undefined ? new Set() : await this.#unpack(request.package);
      this.#taskRunId = request.taskRunId;
      this.#runner = await RunnerProcess.start({
        directory: this.directory,
        env: this.#options.env,
        memoryMiB: request.resources.memoryMiB,
      });
      return this.#runner;
    } catch (error) {
      throw attemptFailure(error);
    }
  }

  /**
   * Removes what an attempt left, so that the next one finds what the first one found.
   * @returns false when that can't be had, as the attempt removed what it was given.
   */
  async tidy(): Promise<boolean> {
    const work = join(this.directory, 'work');
    const tmp = join(this.directory, 'tmp');
    const found = await Promise.all([readdir(work), readdir(tmp)]).catch(() => undefined);
    if (!found) return false;
    const [inWork, inTmp] = found;
    const left = inWork.filter((name) => !this.#packaged.has(name));
    await Promise.all([...left.map((name) => join(work, name)), ...inTmp.map((name) => join(tmp, name))].map(remove));
    return inWork.length - left.length === this.#packaged.size;
  }

  /** Called when a batch has ended: the runner waits a little for the next one. */
  rest(ended: () => void): void {
    this.#idle = setTimeout(() => void this.end().then(ended), IDLE_MS);
    this.#idle.unref();
  }

  /** Kills the runner's process group, if there is one, at once. */
  async kill(): Promise<void> {
    await this.#runner?.kill();
  }

  /** Kills, and removes the directory. */
  end(): Promise<void> {
    clearTimeout(this.#idle);
    this.#ending ??= this.#end().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  async #end(): Promise<void> {
    const runner = this.#runner;
    this.#runner = undefined;
    await runner?.kill();
    await remove(this.directory);
  }

  async #makeDirectories(): Promise<void> {
    for (const name of ['work', 'scratch', 'tmp']) await mkdir(join(this.directory, name), { recursive: true });
    // A module is an ES module wherever Tubo keeps its data, unless its package says otherwise.
    await writeFile(join(this.directory, 'package.json'), '{ "type": "module" }');
  }

  async #unpack(path: string): Promise<Set<string>> {
    const work = join(this.directory, 'work');
    await this.#options.packages.unpack(path, work);
    return new Set(await readdir(work));
  }
}

/** Retries, for a process that is being killed may still make files. */
function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}
