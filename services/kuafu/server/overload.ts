import type { Priority } from '../contract.ts';
import { roomWithin } from '../core/priority.ts';
import type { ServerShared } from './shared.ts';

/** Why a server takes no more of something, in one sentence, or undefined. */

/** `underWay`: calls of the connection. */
export function callOverload(shared: ServerShared, underWay: number, requestBytes: number, priority: Priority): string | undefined {
  if (underWay >= roomWithin(shared.callsPerConnectionMax, priority)) return `${underWay} calls of this connection are under way`;
  if (shared.calls >= roomWithin(shared.callsMax, priority)) return `${shared.calls} calls are under way`;
  // One call always fits, however large, so that a bound below the largest frame cannot shut anybody out for ever.
  if (shared.calls > 0 && shared.requestBytes + requestBytes > roomWithin(shared.requestBytesMax, priority))
    return `${shared.requestBytes} bytes of requests are under way`;
  return undefined;
}

export function streamOverload({ unread, unsent }: ServerShared): string | undefined {
  if (unread.bytes >= unread.bytesMax) return `${unread.bytes} bytes of messages are unread`;
  if (unsent.full) return `${unsent.bytes} bytes of replies and messages are not taken`;
  return undefined;
}

/** Of a frame that found no room. */
export function frameOverload({ halfRead }: ServerShared, bytes: number): string {
  return `no room for ${bytes} bytes: ${halfRead.bytes} bytes of frames have come in part`;
}
