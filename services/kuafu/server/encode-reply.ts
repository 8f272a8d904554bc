import { encodeBody } from '../codec.ts';
import { type AnyMethod, type Attachment, KuafuError } from '../contract.ts';
import { sizeProblem } from '../core/frame.ts';
import { byteLength } from '../transports/outbox.ts';

/** What a handler returned, for the wire. Throws where it cannot be said, or is too large for a frame. */
export function encodeReply(method: AnyMethod, value: unknown): { body: Buffer; attachment: Attachment | undefined; bytes: number } {
  const attached = method.kind === 'unary' && method.replyAttachment;
  const { body: said, attachment } = attached
    ? (value as { body: unknown; attachment: Attachment })
    : { body: value, attachment: undefined };
  const body = encodeBody(said);
  const attachmentBytes = byteLength(attachment);
  const tooLarge = sizeProblem(body.length, attachmentBytes);
  if (tooLarge) throw new KuafuError('Internal', `the reply is ${tooLarge}`);
  return { body, attachment, bytes: body.length + attachmentBytes };
}
