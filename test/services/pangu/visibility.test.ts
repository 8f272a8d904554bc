import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, type PanguClient } from '../../../services/pangu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

let cluster: PanguCluster;
let pangu: PanguClient;
beforeAll(async () => {
  cluster = await startPanguCluster({ processes: ['pangu-chunk'] });
  pangu = cluster.pangu;
});
afterAll(() => cluster?.stop());

const text = async (path: string): Promise<string> => (await pangu.readFile(path)).toString();

describe('a file that is being written', () => {
  it('is seen as far as it was flushed, by who opens it then and by who has it open and looks again', async () => {
    const file = await pangu.open('/flushed', 'wx', { chunkBytes: BLOCK_BYTES * 2 });
    let all = '';
    let reader: Awaited<ReturnType<typeof pangu.open>> | undefined;
    for (let i = 0; i < 30; i++) {
      const piece = `${i} `.repeat(1 + ((i * 7919) % 9000));
      await file.write(Buffer.from(piece));
      all += piece;
      await file.flush();
      expect(await text('/flushed')).toBe(all);
      reader ??= await pangu.open('/flushed', 'r');
      expect((await reader.read(0, 10_000_000)).toString()).toBe(all);
    }
    await file.close();
    expect((await reader!.read(all.length - 5, 100)).toString()).toBe(all.slice(-5));
    expect((await pangu.locate('/flushed')).length).toBeGreaterThan(2);
  });

  it('goes on being seen when one of its servers is killed', async () => {
    const file = await pangu.open('/flushed-killed', 'wx', { preferNode: 'n1' });
    await file.write(Buffer.from('one '));
    await file.flush();
    const reader = await pangu.open('/flushed-killed', 'r');
    await file.write(Buffer.from('two '));
    await file.flush();
    await cluster.killChunkServer('n1');
    expect((await reader.read(0, 100)).toString()).toBe('one two ');
    await file.write(Buffer.from('three '));
    await file.flush();
    expect((await reader.read(0, 100)).toString()).toBe('one two three ');
    expect(await text('/flushed-killed')).toBe('one two three ');
    await cluster.startChunkServer('n1');
    await file.close();
  });

  it('is followed by a stream across chunks and writers, until that is told to end', async () => {
    const ending = new AbortController();
    const path = '/followed';
    const first = await pangu.open(path, 'wx', { chunkBytes: BLOCK_BYTES });
    await first.write(Buffer.from('begin '));
    await first.sync();
    const stream = pangu.createReadStream(path, { follow: true, signal: ending.signal });
    let seen = '';
    stream.on('data', (piece) => {
      seen += piece;
    });
    const reaches = (wanted: string) => expect.poll(() => seen === wanted, { timeout: 10_000, interval: 20 }).toBe(true);
    let wanted = 'begin ';
    await reaches(wanted);
    await first.write(Buffer.from('x'.repeat(BLOCK_BYTES * 2)));
    await first.flush();
    wanted += 'x'.repeat(BLOCK_BYTES * 2);
    await reaches(wanted);
    await first.close();
    const second = await pangu.open(path, 'a');
    await second.write(Buffer.from('end'));
    await second.close();
    await reaches(`${wanted}end`);
    const ended = once(stream, 'end');
    ending.abort();
    await ended;
    const part = pangu.createReadStream(path, { start: 0, end: 4, follow: true });
    expect(Buffer.concat(await part.toArray()).toString()).toBe('begin');
  });
});
