import { messageOf } from '../../base/errors.ts';
import { encodeBody } from '../codec.ts';
import { type Attachment, KuafuError } from '../contract.ts';
import { NO_DEADLINE_MS } from '../core/deadline-wheel.ts';
import { sizeProblem } from '../core/frame.ts';
import { byteLength } from '../transports/outbox.ts';

/** The body of a request frame. Errors: InvalidRequest (what cannot be encoded, or is too large for a frame; a time that is none). */
export function encodeRequest(
  service: string,
  method: string,
  remainingMs: number,
  request: unknown,
  trace: string | undefined,
  attachment: Attachment | undefined,
): Uint8Array {
  // A server would end the connection for it.
  if (Number.isNaN(remainingMs)) throw new KuafuError('InvalidRequest', `${service}.${method}: the time that it may take is no number`);
  const leftMs = Math.min(remainingMs, NO_DEADLINE_MS);
  let body: Uint8Array;
  try {
    if (trace !== undefined) body = encodeBody([service, method, leftMs, request, trace]);
    else body = encodeBody(request === undefined ? [service, method, leftMs] : [service, method, leftMs, request]);
  } catch (error) {
    throw new KuafuError('InvalidRequest', `${service}.${method}: the request cannot be encoded: ${messageOf(error)}`, { cause: error });
  }
  const problem = sizeProblem(body.length, byteLength(attachment));
  if (problem) throw new KuafuError('InvalidRequest', `${service}.${method}: the request is ${problem}`);
  return body;
}
