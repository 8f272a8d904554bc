import { messageOf } from '../../base/errors.ts';
import { encodeBody } from '../codec.ts';
import { type Attachment, KuafuError } from '../contract.ts';
import { sizeProblem } from '../core/frame.ts';
import { byteLength } from '../transports/outbox.ts';

/** The body of a request frame. Errors: InvalidRequest (what cannot be encoded, or is too large for a frame). */
export function encodeRequest(
  service: string,
  method: string,
  remainingMs: number,
  request: unknown,
  trace: string | undefined,
  attachment: Attachment | undefined,
): Uint8Array {
  let body: Uint8Array;
  try {
    if (trace !== undefined) body = encodeBody([service, method, remainingMs, request, trace]);
    else body = encodeBody(request === undefined ? [service, method, remainingMs] : [service, method, remainingMs, request]);
  } catch (error) {
    throw new KuafuError('InvalidRequest', `${service}.${method}: the request cannot be encoded: ${messageOf(error)}`, { cause: error });
  }
  const problem = sizeProblem(body.length, byteLength(attachment));
  if (problem) throw new KuafuError('InvalidRequest', `${service}.${method}: the request is ${problem}`);
  return body;
}
