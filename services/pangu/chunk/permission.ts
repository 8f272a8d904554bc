import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Caller } from '../../kuafu/guard-contract.ts';
import { ChunkError } from '../chunk-contract.ts';
import { parseTicket, type TicketOperation } from '../core/ticket.ts';
import type { TicketKey, Tickets } from '../tickets.ts';

/** A ticket of a key that is not known makes this server ask for keys, at most so often. */
const FETCH_PAUSE_MS = 1_000;

/** Who may touch a chunk here: those who are a part of Pangu (masters, other chunk servers) any; others those they have a ticket for. */
export class ChunkPermission {
  readonly #peerOf: string;
  readonly #tickets: Tickets;
  readonly #fetchKeys: () => Promise<TicketKey[]>;
  readonly #clock: Clock;
  #fetching: Promise<void> | undefined;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;

  /** `fetchKeys`: asks a master. */
  constructor(options: { cluster: string; tickets: Tickets; fetchKeys: () => Promise<TicketKey[]>; clock: Clock }) {
    this.#peerOf = `pangu://${options.cluster}/`;
    this.#tickets = options.tickets;
    this.#fetchKeys = options.fetchKeys;
    this.#clock = options.clock;
  }

  /** Throws ChunkError `NoTicket`. A promise only when keys must be asked for. */
  check(caller: Caller, operation: TicketOperation, chunk: string, ticket: string | undefined): undefined | Promise<void> {
    if (this.isPeer(caller)) return undefined;
    const claim = { chunk, operation, holder: caller.key };
    const keyId = ticket === undefined ? undefined : parseTicket(ticket)?.keyId;
    if (keyId === undefined || this.#tickets.knows(keyId)) return this.#judge(ticket, claim);
    return this.#fetch().then(() => this.#judge(ticket, claim));
  }

  isPeer(caller: Caller): boolean {
    return caller.refusal('peer', this.#peerOf) === undefined;
  }

  #judge(ticket: string | undefined, claim: { chunk: string; operation: TicketOperation; holder: string }): undefined {
    const problem = this.#tickets.problem(ticket, claim, this.#clock.nowMs());
    if (problem !== undefined) throw new ChunkError('NoTicket', `${claim.operation} of chunk ${claim.chunk}: ${problem}`);
  }

  /** Shared by all who wait for it. */
  #fetch(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    if (this.#clock.monotonicMs() - this.#fetchedAtMs < FETCH_PAUSE_MS) return Promise.resolve();
    this.#fetching = this.#fetchKeys()
      .then(
        (keys) => this.#tickets.setKeys(keys),
        (error) => {
          throw new ChunkError('NoTicket', `no master tells the keys of tickets: ${messageOf(error)}`, { cause: error });
        },
      )
      .finally(() => {
        this.#fetchedAtMs = this.#clock.monotonicMs();
        this.#fetching = undefined;
      });
    return this.#fetching;
  }
}
