import { createHmac, timingSafeEqual } from 'node:crypto';
import { formatTicket, parseTicket, TICKET_MS, type TicketClaim, ticketText } from './core/ticket.ts';

export interface TicketKey {
  readonly id: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** Tickets are checked again and again: what was found good is remembered, up to so many. */
const REMEMBERED_MAX = 10_000;

/** The keys that are known, to make tickets with the newest and to check them with any. */
export class Tickets {
  #keys = new Map<string, Uint8Array>();
  #current: string | undefined;
  /** Ticket and what it is for → when it ends. */
  readonly #good = new Map<string, number>();

  /** `current`: the id of the key to make tickets with. */
  setKeys(keys: readonly TicketKey[], current?: string): void {
    this.#keys = new Map(keys.map(({ id, secret }) => [id, secret]));
    this.#current = current;
    this.#good.clear();
  }

  knows(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  get current(): string | undefined {
    return this.#current;
  }

  make(claim: TicketClaim, nowMs: number): string {
    const secret = this.#keys.get(this.#current ?? '');
    if (!secret) throw new Error('no key to make tickets with');
    // Whole minutes, so that asking again for the same gives the same, and servers have fewer to remember.
    const expiresAtMs = Math.ceil((nowMs + TICKET_MS) / 60_000) * 60_000;
    return formatTicket({ keyId: this.#current!, expiresAtMs, code: codeOf(secret, claim, expiresAtMs) });
  }

  /** Undefined: it is good. `unknownKey`: it may be, when the key comes. */
  problem(text: string | undefined, claim: TicketClaim, nowMs: number): string | undefined {
    if (text === undefined) return 'no ticket came with the call';
    const remembered = `${text} ${claim.operation} ${claim.chunk} ${claim.holder}`;
    const until = this.#good.get(remembered);
    if (until !== undefined && until > nowMs) return undefined;
    const ticket = parseTicket(text);
    if (!ticket) return 'this is no ticket';
    if (ticket.expiresAtMs <= nowMs) return 'the ticket has expired';
    const secret = this.#keys.get(ticket.keyId);
    if (!secret) return `the ticket was made with a key that is not known: ${ticket.keyId}`;
    const wanted = Buffer.from(codeOf(secret, claim, ticket.expiresAtMs));
    const given = Buffer.from(ticket.code);
    if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return 'the ticket is for something else, or forged';
    if (this.#good.size >= REMEMBERED_MAX) this.#good.clear();
    this.#good.set(remembered, ticket.expiresAtMs);
    return undefined;
  }
}

function codeOf(secret: Uint8Array, claim: TicketClaim, expiresAtMs: number): string {
  return createHmac('sha256', secret).update(ticketText(claim, expiresAtMs)).digest().subarray(0, 16).toString('base64url');
}
