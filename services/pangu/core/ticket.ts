/**
 * Chunk servers know chunks, not files, so they cannot tell who may touch what. Masters can: with the places of a chunk they give a *ticket* that lets one
 * key read, or write, that one chunk for some hours. It is a code (HMAC-SHA256 under a key that masters and chunk servers share, RFC 2104), since thousands of
 * chunks of a file need one each. Whoever shows a ticket has proved to hold the key on its connection; a revoked key's tickets are worth nothing with it.
 */
export const TICKET_OPERATIONS = ['read', 'write'] as const;
export type TicketOperation = (typeof TICKET_OPERATIONS)[number];

export interface TicketClaim {
  readonly chunk: string;
  readonly operation: TicketOperation;
  /** Fingerprint of the key that may use it. */
  readonly holder: string;
}

/** A ticket as it travels, `<key>.<expires>.<code>`: what it is for is known to whoever checks it. */
export interface Ticket {
  readonly keyId: string;
  readonly expiresAtMs: number;
  /** The first 16 bytes of the HMAC, base64url. */
  readonly code: string;
}

/** Long enough that renewing is rare, short enough that a key given to masters and chunk servers may change each day. */
export const TICKET_MS = 6 * 3600 * 1000;
export const TICKET_KEY_MS = 24 * 3600 * 1000;

/** What the code is over. Each part is of an alphabet without line breaks. */
export function ticketText({ chunk, operation, holder }: TicketClaim, expiresAtMs: number): string {
  return `pangu-ticket-1\n${operation}\n${chunk}\n${holder}\n${expiresAtMs}`;
}

export function formatTicket({ keyId, expiresAtMs, code }: Ticket): string {
  return `${keyId}.${expiresAtMs.toString(36)}.${code}`;
}

export function parseTicket(text: string): Ticket | undefined {
  const [, keyId, expires, code] = /^([0-9a-z-]{1,32})\.([0-9a-z]{1,11})\.([\w-]{22})$/.exec(text) ?? [];
  if (keyId === undefined) return undefined;
  const expiresAtMs = Number.parseInt(expires!, 36);
  return Number.isSafeInteger(expiresAtMs) ? { keyId, expiresAtMs, code: code! } : undefined;
}

/** The id of the key that is current at this time: all masters name it alike, so that one makes it and the others find it. */
export function ticketKeyId(nowMs: number): string {
  return `day-${Math.floor(nowMs / TICKET_KEY_MS)}`;
}
