import { expect, test } from 'vitest';
import { goAwayReason } from '../../../../services/kuafu/codec.ts';
import { FRAME_KINDS, type Frame } from '../../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../../services/kuafu/core/frame-parser.ts';
import { Farewell } from '../../../../services/kuafu/proxy/farewell.ts';
import type { Side } from '../../../../services/kuafu/proxy/side.ts';
import { Outbox } from '../../../../services/kuafu/transports/outbox.ts';

/** What a caller reads. */
class Heard implements Side {
  readonly frames: string[] = [];
  problem: string | undefined;
  ended = false;
  bytes = 0;
  readonly #parser = new FrameParser((frame: Frame) => {
    this.frames.push(frame.kind === FRAME_KINDS.goAway ? `go-away: ${goAwayReason(frame)}` : `reply ${frame.id}`);
  });
  start(): void {}
  write(chunk: Buffer): undefined {
    this.bytes += chunk.length;
    this.problem ??= this.#parser.push(chunk);
  }
  end(): void {
    this.ended = true;
  }
  break(): void {}
}

function replies(...ids: number[]): Buffer {
  const outbox = new Outbox();
  for (const id of ids) outbox.push({ kind: FRAME_KINDS.reply, id, body: Buffer.alloc(10 * id), attachment: Buffer.alloc(id) });
  return Buffer.concat(outbox.take());
}

test('the last word is said at once between frames, and once only', () => {
  const heard = new Heard();
  const farewell = new Farewell(heard, { encrypted: false });
  farewell.write(replies(1));
  farewell.leave('closing');
  farewell.leave('closing');
  farewell.write(replies(2));
  expect(heard).toMatchObject({ frames: ['reply 1', 'go-away: closing', 'reply 2'], problem: undefined, ended: false });
});

test('within a frame it waits for the end of one, wherever the bytes are cut', () => {
  const bytes = replies(1, 2, 3);
  for (let cut = 1; cut < bytes.length; cut++) {
    const heard = new Heard();
    const farewell = new Farewell(heard, { encrypted: false });
    farewell.write(bytes.subarray(0, cut));
    farewell.leave('closing');
    farewell.write(bytes.subarray(cut));
    farewell.write(replies(4));
    expect(heard.problem, `cut at ${cut}`).toBeUndefined();
    expect(
      heard.frames.filter((frame) => frame.startsWith('reply')),
      `cut at ${cut}`,
    ).toEqual(['reply 1', 'reply 2', 'reply 3', 'reply 4']);
    expect(
      heard.frames.filter((frame) => frame.startsWith('go-away')),
      `cut at ${cut}`,
    ).toEqual(['go-away: closing']);
  }
});

test('before the first byte it is a refusal, and ends the channel', () => {
  const heard = new Heard();
  new Farewell(heard, { encrypted: false }).leave('closing');
  expect(heard).toMatchObject({ frames: ['go-away: closing'], ended: true });
});

test('nothing is said into what is encrypted', () => {
  const heard = new Heard();
  const farewell = new Farewell(heard, { encrypted: true });
  farewell.leave('closing');
  const bytes = replies(1, 2);
  farewell.write(bytes);
  farewell.leave('closing');
  expect(heard).toMatchObject({ bytes: bytes.length, ended: false });
});
