import { Readable, Writable } from 'node:stream';
import type { Attachment, StreamMessage } from '../contract.ts';
import { MESSAGE_BYTES_MAX } from '../core/credit.ts';

/**
 * Streams of bytes, for `pipeline` and all else of Node that reads or writes such: the bytes are the attachments of the messages, one after the other, and both
 * keep to the credit of the stream: a pipeline stands still while its other end does.
 */

/** The attachments that come. Ends with the stream, fails with what ends it; destroying it leaves the iteration, which for a caller cancels the call. */
export function readableOf(messages: AsyncIterable<StreamMessage<unknown>>): Readable {
  return Readable.from(attachmentsOf(messages), { objectMode: false });
}

async function* attachmentsOf(messages: AsyncIterable<StreamMessage<unknown>>): AsyncGenerator<Buffer> {
  for await (const { attachment } of messages) if (attachment.length > 0) yield attachment;
}

/** What `writableOf` needs of a `StreamCall`, or of a handler's context, which has only `send`. */
export interface WritableSide<Body> {
  send(body: Body, attachment?: Attachment): Promise<void>;
  end?(): void;
  readonly reply?: Promise<unknown>;
  cancel?(reason?: unknown): void;
}

/**
 * Sends what is written as attachments; `bodyOf` gives each message its body. At a caller finishing it ends its messages and waits for the reply, so that a
 * pipeline has succeeded once the handler has; destroying it cancels the call. What is written is not copied: it must stay as it is until the call has ended.
 */
export function writableOf(side: WritableSide<undefined>): Writable;
export function writableOf<Body>(side: WritableSide<Body>, bodyOf: (chunk: Buffer) => Body): Writable;
export function writableOf<Body>(side: WritableSide<Body>, bodyOf: (chunk: Buffer) => Body = () => undefined as Body): Writable {
  const sendAll = async (chunk: Buffer): Promise<void> => {
    const messageBytesMax = MESSAGE_BYTES_MAX / 2; // leaves room for the body
    for (let at = 0; at < chunk.length; at += messageBytesMax) {
      const piece = chunk.subarray(at, at + messageBytesMax);
      await side.send(bodyOf(piece), piece);
    }
  };
  const finish = async (): Promise<void> => {
    side.end?.();
    await side.reply;
  };
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      sendAll(chunk).then(() => done(), done);
    },
    final(done) {
      finish().then(() => done(), done);
    },
    destroy(error, done) {
      if (error) side.cancel?.(error);
      else if (!writable.writableFinished) side.cancel?.(new Error('the stream was destroyed'));
      done(error);
    },
  });
  // The call may end while nothing is being written: whoever waits for room hears of it.
  side.reply?.catch((error) => writable.destroy(error));
  return writable;
}
