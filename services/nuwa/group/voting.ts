import type { Logger } from '../../base/log.ts';
import type { PeerMessage } from '../core/member/types.ts';
import { memberOf } from '../core/raft/members.ts';
import type { GroupConfig, ServerId } from '../core/raft/types.ts';
import type { Birth } from '../log/birth.ts';
import { INSTEAD } from '../log/damage.ts';

/** Keeps a server that may not vote, since it was added and nobody promoted it yet, from what only voters do: core/founding.ts. */
export class Voting {
  readonly #id: ServerId;
  readonly #birth: Birth;
  readonly #log: Logger;
  /** Who takes it for a voter. To be told, not to be stopped for: it may be one that missed that this server was removed and added again. */
  #mistakenBy: ServerId | undefined;

  constructor(options: { id: ServerId; birth: Birth; log: Logger }) {
    this.#id = options.id;
    this.#birth = options.birth;
    this.#log = options.log;
  }

  /** Of what a peer says, that which is for this server. `voter`: what the peer takes it for. */
  heard(from: ServerId, messages: readonly PeerMessage[], voter: boolean): readonly PeerMessage[] {
    if (this.#birth.mayVote) return messages;
    if (voter && this.#mistakenBy === undefined) this.#log.error({ by: from, problem: this.#mistaken(from) }, 'nuwa.mistaken');
    if (voter) this.#mistakenBy = from;
    return messages.filter((message) => !asksToElect(message));
  }

  /** Why a server with this in its log must take part no more. */
  refusal(config: GroupConfig): string | undefined {
    return !this.#birth.mayVote && memberOf(config, this.#id)?.role === 'voter' ? this.#mistaken('the log of its group') : undefined;
  }

  get problem(): string | undefined {
    return this.#mistakenBy !== undefined && !this.#birth.mayVote ? this.#mistaken(this.#mistakenBy) : undefined;
  }

  #mistaken(by: string): string {
    return `${by} takes it for the voter ${this.#id}, whose files these are not. ${INSTEAD}`;
  }
}

function asksToElect(message: PeerMessage): boolean {
  return message.kind === 'raft' && (message.message.kind === 'vote' || message.message.kind === 'timeoutNow');
}
