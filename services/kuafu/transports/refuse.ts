import { encodeBody } from '../codec.ts';
import { FRAME_KINDS } from '../core/frame.ts';
import type { Channel } from '../transport.ts';

/** Tells a peer that never got in why, in a go-away, and closes. */
export function refusePeer(channel: Channel, reason: string): void {
  channel.send({ kind: FRAME_KINDS.goAway, id: 0, body: encodeBody({ reason }) });
  channel.close(reason);
}
