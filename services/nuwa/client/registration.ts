import { backoffMs } from '../../base/backoff.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { NuwaEvent, NuwaNode, Presence, Registration, ServiceInfo } from '../contract.ts';
import { serviceInfoSchema } from '../contract.ts';
import { pause } from './rpc.ts';

/** What a registration needs of its client. */
export interface RegistrationPort {
  /** Makes the ephemeral node under the client's session of now (a new one when the last expired). */
  createOwned(path: string, value: Uint8Array, replace: boolean): Promise<{ revision: number }>;
  setOwned(path: string, value: Uint8Array, createRevision: number): Promise<unknown>;
  deleteOwned(path: string, createRevision: number): Promise<unknown>;
  get(path: string): Promise<{ node: NuwaNode; revision: number }>;
  watch(path: string, options: { afterRevision: number; signal: AbortSignal }): AsyncIterable<NuwaEvent>;
}

/**
 * Keeps a node that stands for as long as its client lives, such as one that says where a service instance answers.
 *
 *   held     the node is ours: its `createRevision` is the one we were given
 *   waiting  another process stands there under the same name; the later start wins, so we wait until it goes
 *
 * Registering replaces what stands there, since it is what a predecessor left; coming back after an expired session does not,
 * since what stands there then came after us.
 */
export class RegistrationKeeper implements Registration, Presence {
  readonly path: string;
  readonly #port: RegistrationPort;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  #value: Uint8Array;
  /** The revision that made our node, while we hold it. */
  #held: number | undefined;
  /** One change at a time, or a late one could bring back an old value. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string, value: Uint8Array, port: RegistrationPort, log: Logger) {
    this.path = path;
    this.#value = value;
    this.#port = port;
    this.#log = log;
  }

  get token(): number | undefined {
    return this.#held;
  }

  async start(): Promise<void> {
    const { revision } = await this.#port.createOwned(this.path, this.#value, true);
    this.#held = revision;
    void this.#keep(revision);
  }

  async update(info: ServiceInfo): Promise<void> {
    this.#value = encodeInfo(info);
    await this.#inTurn(async () => {
      if (this.#held === undefined) return; // it goes out with the next claim
      await this.#port.setOwned(this.path, this.#value, this.#held).catch(ignore('NoNode', 'BadVersion'));
    });
  }

  async unregister(): Promise<void> {
    this.stop();
    await this.#inTurn(async () => {
      if (this.#held === undefined) return;
      await this.#port.deleteOwned(this.path, this.#held).catch(ignore('NoNode', 'BadVersion', 'NoSession'));
      this.#held = undefined;
    });
  }

  /** No more claims; the node stays as long as its session. */
  stop(): void {
    this.#stopping.abort();
  }

  async #keep(startRevision: number): Promise<void> {
    const { signal } = this.#stopping;
    let afterRevision = startRevision;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#untilDeleted(afterRevision);
        if (signal.aborted) return;
        afterRevision = await this.#inTurn(() => this.#claim());
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ err: error, path: this.path }, 'nuwa.registration.failed');
        await pause(backoffMs(++failures, systemRandom), signal);
        afterRevision = 0; // look again
      }
    }
  }

  /** Returns when the node was deleted, or may have been. */
  async #untilDeleted(afterRevision: number): Promise<void> {
    if (afterRevision === 0) return;
    try {
      for await (const { kind } of this.#port.watch(this.path, { afterRevision, signal: this.#stopping.signal })) {
        if (kind === 'deleted') return;
      }
    } catch (error) {
      if (!hasCode(error, 'Compacted')) throw error;
    }
  }

  /** Makes the node where none is. @returns the revision from which to watch. */
  async #claim(): Promise<number> {
    for (;;) {
      if (this.#stopping.signal.aborted) return 0;
      try {
        const { node, revision } = await this.#port.get(this.path);
        if (node.createRevision === this.#held) return revision;
        this.#log.warn({ path: this.path, by: node.creator }, 'nuwa.registration.superseded');
        this.#held = undefined;
        return revision;
      } catch (error) {
        if (!hasCode(error, 'NoNode')) throw error;
      }
      this.#held = undefined;
      try {
        const { revision } = await this.#port.createOwned(this.path, this.#value, false);
        this.#held = revision;
        this.#log.info({ path: this.path, revision }, 'nuwa.registration.renewed');
        return revision;
      } catch (error) {
        if (!hasCode(error, 'NodeExists')) throw error; // somebody was faster: look who
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

export function encodeInfo(info: ServiceInfo): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(serviceInfoSchema.parse(info)));
}

function ignore(...codes: string[]): (error: unknown) => void {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
  };
}
