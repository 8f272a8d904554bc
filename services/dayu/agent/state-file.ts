/**
 * What an agent must know of an application when it comes back: what the node is meant to run, and which processes it started. Replaced as a whole, by a
 * rename of a file that is on the disk already, so that it is the old or the new one at any moment, also without power.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { deploymentSchema, digestSchema } from '../contract.ts';
import { syncDirectory } from '../package/sync.ts';

/** One instance. Written down before its process is started, so that one whose agent died just then is found by its `id`. */
export const instanceRecordSchema = z.object({
  id: z.string(),
  deployment: deploymentSchema,
  pid: z.int().optional(),
  startTime: z.string().optional(),
  ports: z.record(z.string(), z.int()),
  startedAtMs: z.number(),
  restarts: z.int(),
  /** Whether it was when this was written. */
  healthy: z.boolean(),
  /** How long the log was when it was started. */
  logFrom: z.int(),
});
export type InstanceRecord = z.output<typeof instanceRecordSchema>;

const stateSchema = z.object({
  /** What is meant to run; absent after a removal. */
  desired: deploymentSchema.optional(),
  /** The release before it, kept on the disk for the way back. */
  previous: digestSchema.optional(),
  /** By role. Some may be of another deployment than the desired one: those are to be stopped. */
  instances: z.record(z.string(), instanceRecordSchema),
});
export type ApplicationState = z.output<typeof stateSchema>;

/** @returns undefined when there is none. Throws when it cannot be understood. */
export async function readState(file: string): Promise<ApplicationState | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return stateSchema.parse(JSON.parse(text));
}

/** One write at a time, or an old state could come after a new one. */
export class StateFile {
  readonly #file: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
  }

  write(state: ApplicationState): Promise<void> {
    const text = JSON.stringify(state);
    const writing = this.#turn.then(() => this.#write(text));
    this.#turn = writing.catch(() => {});
    return writing;
  }

  async #write(text: string): Promise<void> {
    const aside = `${this.#file}.new`;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      const handle = await open(aside, 'w', 0o600);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(aside, this.#file);
      await syncDirectory(dirname(this.#file));
    } catch (error) {
      await rm(aside, { force: true }).catch(() => {});
      throw error;
    }
  }
}
