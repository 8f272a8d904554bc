import type { ServerId } from '../raft/types.ts';
import type { Command } from '../tree/command.ts';
import { decodeHead, encodeBatch } from './batch.ts';
import type { WaitId } from './types.ts';

/**
 * The changes that this server submitted and that were not answered yet, in batches that become one entry of the log each.
 *
 *   held --a leader is known--> sent --found in the log--> answered
 *     \--nobody to send it to in time      \--the leader changed, or said nothing--> lost
 *
 * Held is certainly not done, so it goes to whoever leads next. Sent may be done, now or later, by a leader that nobody hears of any more:
 * it is never sent again from here, only by its client, under the request number that makes both one change.
 */
export interface OwnBatch {
  readonly firstId: WaitId;
  readonly commands: readonly Command[];
  /** In ticks: when it came here, or when it was sent. */
  sinceTick: number;
  sentTo: ServerId | undefined;
}

/**
 * Ends a batch, at the first command past either. A batch is one entry, and everybody in it waits for all of it; larger ones save
 * next to nothing any more.
 */
const BATCH_COMMANDS_MAX = 1_024;
const BATCH_BYTES_MAX = 512 * 1024;

export class OwnChanges {
  readonly #origin: string;
  /** In the order in which they came. */
  readonly #batches = new Map<WaitId, OwnBatch>();
  #held = 0;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Takes commands in, as held. */
  add(firstId: WaitId, commands: readonly Command[], tick: number): void {
    // Ids of the server's own commands are below 0 and are one each: nobody waits for the single ones.
    for (let from = 0; from < commands.length; ) {
      const to = batchEnd(commands, from);
      const batch = from === 0 && to === commands.length ? commands : commands.slice(from, to);
      this.#batches.set(firstId + from, { firstId: firstId + from, commands: batch, sinceTick: tick, sentTo: undefined });
      this.#held++;
      from = to;
    }
  }

  get anyHeld(): boolean {
    return this.#held > 0;
  }

  held(): OwnBatch[] {
    const held: OwnBatch[] = [];
    for (const batch of this.#batches.values()) if (batch.sentTo === undefined) held.push(batch);
    return held;
  }

  encode({ firstId, commands }: OwnBatch): Uint8Array {
    return encodeBatch({ origin: this.#origin, firstId, commands });
  }

  sent(batch: OwnBatch, to: ServerId, tick: number): void {
    batch.sentTo = to;
    batch.sinceTick = tick;
    this.#held--;
  }

  /** The batch of an entry of the log, if it is one of those that wait; it waits no longer. */
  take(data: Uint8Array): OwnBatch | undefined {
    const { origin, firstId } = decodeHead(data);
    return origin === this.#origin ? this.remove(firstId) : undefined;
  }

  remove(firstId: WaitId): OwnBatch | undefined {
    const batch = this.#batches.get(firstId);
    if (!batch) return undefined;
    this.#batches.delete(firstId);
    if (batch.sentTo === undefined) this.#held--;
    return batch;
  }

  /** Removes those that `isLost` says. */
  removeAll(isLost: (batch: OwnBatch) => boolean): OwnBatch[] {
    const lost: OwnBatch[] = [];
    for (const batch of this.#batches.values()) if (isLost(batch)) lost.push(batch);
    for (const { firstId } of lost) this.remove(firstId);
    return lost;
  }
}

function batchEnd(commands: readonly Command[], from: number): number {
  let bytes = 0;
  let to = from;
  while (to < commands.length && to - from < BATCH_COMMANDS_MAX && bytes < BATCH_BYTES_MAX) bytes += roughBytes(commands[to++]!);
  return to;
}

function roughBytes(command: Command): number {
  if (command.kind === 'transaction') {
    let bytes = 0;
    for (const operation of command.operations) bytes += operation.path.length + ('value' in operation ? operation.value.length : 0);
    return bytes;
  }
  return 'value' in command ? command.value.length : 0;
}
