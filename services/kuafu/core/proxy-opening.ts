/**
 * The first frame that a process sends to the proxy of its machine, in the place of a hello: whom the channel is for. All that follows, either way, is between
 * the process and whoever it named, whose hello is the next thing it reads; or a go-away with the reason why there is nobody.
 */
export const OPENING_MAGIC = 'kuafu-proxy';
export const OPENING_VERSION = 1;

export interface Opening {
  magic: typeof OPENING_MAGIC;
  version: number;
  address: string;
}

export function openingOf(address: string): Opening {
  return { magic: OPENING_MAGIC, version: OPENING_VERSION, address };
}

/** The address that is wanted, or what is wrong with the opening. */
export function parseOpening(body: unknown): { address: string } | string {
  const { magic, version, address } = (typeof body === 'object' && body !== null ? body : {}) as Partial<Opening>;
  if (magic !== OPENING_MAGIC) return 'this is the proxy of the machine: the first frame says whom to reach';
  if (version !== OPENING_VERSION) return `the proxy speaks version ${OPENING_VERSION}, not ${String(version)}`;
  if (typeof address !== 'string') return 'the opening names no address';
  return { address };
}
