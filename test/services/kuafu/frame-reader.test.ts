import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { FRAME_KINDS, FRAME_LIMITS, type Frame } from '../../../services/kuafu/core/frame.ts';
import { FrameReader, readInto } from '../../../services/kuafu/transports/frame-reader.ts';
import { Outbox } from '../../../services/kuafu/transports/outbox.ts';

test.each([
  ['a socket that reads into our buffers', true],
  ['a socket that makes its own', false],
])('frames sent to %s arrive whole, and the end is seen', async (_name, ownBuffers) => {
  const attachments = [0, 10, 5_000, 1_000_000, 1, 70_000, 3_000_000].map((length) => randomBytes(length));
  const frames: Frame[] = [];
  const reader = new FrameReader();
  reader.limits = FRAME_LIMITS;
  let moved: Socket | undefined;
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    if (!ownBuffers) Object.defineProperty((accepted as unknown as { _handle: object })._handle, 'useUserBuffer', { value: undefined });
    reader.start(
      (frame) => frames.push({ ...frame, body: Buffer.from(frame.body) }),
      (problem) => expect.unreachable(problem),
    );
    moved = readInto(accepted, reader);
    expect(moved === accepted).toBe(!ownBuffers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  const outbox = new Outbox();
  for (const [id, attachment] of attachments.entries())
    outbox.push({ kind: FRAME_KINDS.request, id, body: Buffer.from(`body ${id}`), attachment });
  for (const piece of outbox.take()) socket.write(piece);
  socket.end();
  socket.resume();
  await once(server, 'connection').catch(() => {});
  await once(moved!, 'end');
  expect(frames.map(({ id, body }) => [id, body.toString()])).toEqual(attachments.map((_, id) => [id, `body ${id}`]));
  for (const [i, { attachment }] of frames.entries()) expect(Buffer.compare(attachment, attachments[i]!)).toBe(0);
  expect(reader.atBoundary).toBe(true);
  // A socket that was moved no longer counts among the server's; both ways the server closes once its connections have ended.
  moved!.end();
  server.close();
  await once(server, 'close');
});
