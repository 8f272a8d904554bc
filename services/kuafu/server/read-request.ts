import { tryDecodeBody } from '../codec.ts';
import { NO_UTF8 } from '../core/message-bounds.ts';
import { parseRequest, type RequestBody, remainingProblem } from '../core/messages.ts';

/** `violation`: the peer breaks the rules. `refusal`: the call alone is at fault, and the others on the connection have nothing to do with it. */
export type ReadRequest = { request: RequestBody } | { violation: string } | { refusal: string };

/** What the body of a request frame asks for. */
export function readRequest(frameBody: Buffer): ReadRequest {
  const body = tryDecodeBody(frameBody);
  // Half of a surrogate pair in somebody's text becomes such a string.
  if (body.problem === NO_UTF8) return { refusal: NO_UTF8 };
  if (body.problem !== undefined) return { violation: `a request that is no MessagePack: ${body.problem}` };
  const request = parseRequest(body.value);
  if (!request) return { violation: 'a request without service, method and remaining time' };
  const refusal = remainingProblem(request[2]);
  return refusal === undefined ? { request } : { refusal };
}
