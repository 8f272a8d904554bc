import { encodeBody } from '../codec.ts';
import { FRAME_KINDS } from '../core/frame.ts';
import type { OutgoingFrame } from '../transport.ts';

/** `totalBytes`: all that the reader has ever granted to this stream, its first window included. */
export function creditFrame(id: number, totalBytes: number): OutgoingFrame {
  return { kind: FRAME_KINDS.credit, id, body: encodeBody(totalBytes) };
}
