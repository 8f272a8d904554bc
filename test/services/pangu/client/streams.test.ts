import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { OpenedReader } from '../../../../services/pangu/client/open-reader.ts';
import { createReadStream, createWriteStream } from '../../../../services/pangu/client/streams.ts';
import { PanguError, type PanguFile } from '../../../../services/pangu/contract.ts';

const MIB = 1024 * 1024;

/** A file of zeros that tells what was done to it. */
function reader(length: number, failsAt = Number.POSITIVE_INFINITY) {
  const told = { reads: 0, closed: 0, looks: 0 };
  const file = {
    length,
    read: async (position: number, wanted: number) => {
      told.reads++;
      if (position >= failsAt) throw new PanguError('EIO', 'no replica answers');
      return Buffer.alloc(Math.min(wanted, length - position));
    },
    look: async () => {
      told.looks++;
    },
    close: async () => {
      told.closed++;
    },
  };
  return { told, open: async () => file as unknown as OpenedReader };
}

function writer(write: (bytes: Uint8Array) => Promise<void> = async () => {}) {
  const told: string[] = [];
  const file = {
    write: (bytes: Uint8Array) => {
      told.push(`write ${bytes.length}`);
      return write(bytes);
    },
    close: async () => {
      told.push('close');
    },
    abort: async () => {
      told.push('abort');
    },
  };
  return { told, open: async () => file as unknown as PanguFile };
}

describe('a read stream', () => {
  test('reads no further ahead than a bounded window while nobody takes what it has', async () => {
    const { told, open } = reader(64 * MIB);
    const stream = createReadStream(open);
    await once(stream, 'readable');
    let before = -1;
    while (before !== told.reads) {
      before = told.reads;
      for (let i = 0; i < 20; i++) await turn();
    }
    expect(told.reads).toBeLessThanOrEqual(8);
    let bytes = 0;
    for await (const piece of stream) bytes += (piece as Buffer).length;
    expect({ bytes, ...told }).toEqual({ bytes: 64 * MIB, reads: 64, closed: 1, looks: 0 });
  });

  test('that is destroyed closes its file, also one that follows and waits for more', async () => {
    for (const follow of [false, true]) {
      const { told, open } = reader(3);
      const stream = createReadStream(open, { follow });
      await once(stream, 'data');
      if (follow) await turn();
      stream.destroy();
      await once(stream, 'close');
      expect(told.closed).toBe(1);
    }
  });

  test('passes an error on through a pipeline, which gives up what was being written', async () => {
    const from = reader(4 * MIB, 2 * MIB);
    const to = writer();
    await expect(pipeline(createReadStream(from.open), createWriteStream(to.open))).rejects.toMatchObject({ code: 'EIO' });
    expect(from.told.closed).toBe(1);
    expect(to.told.at(-1)).toBe('abort');
  });

  test('ends without an error when the signal of one that follows aborts', async () => {
    const { told, open } = reader(3);
    const ending = new AbortController();
    const stream = createReadStream(open, { follow: true, signal: ending.signal });
    stream.once('data', () => ending.abort());
    await once(stream.resume(), 'end');
    expect(told.closed).toBe(1);
  });
});

describe('a write stream', () => {
  test('asks its source to wait while its window is full', async () => {
    let go = (): void => {};
    const { told, open } = writer(() => new Promise((resolve) => (go = resolve)));
    const stream = createWriteStream(open);
    expect(stream.write(Buffer.alloc(MIB))).toBe(false);
    while (told.length === 0) await turn();
    const drained = once(stream, 'drain');
    go();
    await drained;
    stream.end();
    await once(stream, 'close');
    expect(told).toEqual([`write ${MIB}`, 'close']);
  });

  test('is given up when the signal of its pipeline aborts', async () => {
    const { told, open } = writer();
    const stopping = new AbortController();
    const source = new PassThrough();
    const done = pipeline(source, createWriteStream(open), { signal: stopping.signal });
    source.write('begun');
    while (told.length === 0) await turn();
    stopping.abort();
    await expect(done).rejects.toMatchObject({ name: 'AbortError' });
    while (told.length === 1) await turn();
    expect(told).toEqual(['write 5', 'abort']);
  });

  test('fails with what a write failed with, and is given up', async () => {
    const { told, open } = writer(async () => {
      throw new PanguError('ENOSPC', 'no room');
    });
    await expect(pipeline([Buffer.from('x')], createWriteStream(open))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(told).toEqual(['write 1', 'abort']);
  });

  test('that cannot be opened says why', async () => {
    const stream = createWriteStream(async () => {
      throw new PanguError('EISDIR', '/d is a directory');
    });
    await expect(pipeline([Buffer.from('x')], stream)).rejects.toMatchObject({ code: 'EISDIR' });
  });

  test('a reader that is slow is what a copy waits for', async () => {
    const { told, open } = reader(16 * MIB);
    let most = 0;
    let taken = 0;
    const slow = new Writable({
      highWaterMark: MIB,
      write(bytes: Buffer, _encoding, done) {
        taken += bytes.length / MIB;
        most = Math.max(most, told.reads - taken);
        setImmediate(done);
      },
    });
    await pipeline(createReadStream(open), slow);
    expect(taken).toBe(16);
    expect(most).toBeLessThanOrEqual(8);
  });
});
