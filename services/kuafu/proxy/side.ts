/**
 * A channel as a proxy sees it has two sides, each a way for bytes both in and out: the socket of a process, or a stream to another proxy. The proxy joins
 * them and is out of the way; what each side can take decides how fast the other one is read, so a channel whose reader stopped holds some buffers and nobody else.
 *
 *   open --ended--> no more bytes come from there; the other side is told by `end`
 *        --broken--> nothing more comes or goes; the other side is broken too
 */
export interface Side {
  /** Bytes that come go to `events` from now on; those that came before wait. */
  start(events: SideEvents): void;
  /** Undefined: more may follow at once. Otherwise when there is room again; it never rejects. After the end, or a break, nothing happens. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** No more bytes that way. */
  end(): void;
  break(reason: string): void;
}

export interface SideEvents {
  /** Undefined: more may come at once. Otherwise none comes before it resolves. */
  bytes(chunk: Buffer): Promise<void> | undefined;
  ended(): void;
  /** Once, and last; after `ended` only if the way out broke. */
  broken(reason: string): void;
}

/** From now on what comes from one goes to the other. */
export function join(one: Side, other: Side): void {
  one.start(into(other));
  other.start(into(one));
}

function into(side: Side): SideEvents {
  return {
    bytes: (chunk) => side.write(chunk),
    ended: () => side.end(),
    broken: (reason) => side.break(reason),
  };
}
