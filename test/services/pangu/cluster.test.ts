import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../services/base/random.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { createPangu } from '../../../services/pangu/client.ts';
import { BLOCK_BYTES, type ChunkLocation, type PanguClient } from '../../../services/pangu/contract.ts';
import { startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;
const withCode = (code: string) => expect.objectContaining({ code });

let cluster: PanguCluster;
let pangu: PanguClient;

beforeAll(async () => {
  cluster = await startPanguCluster();
  pangu = cluster.pangu;
});
afterAll(() => cluster.stop());

async function read(path: string, client = pangu, range?: { start?: number; end?: number }): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of client.createReadStream(path, range)) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { path: entry } of pangu.readdir(path)) names.push(entry.slice(entry.lastIndexOf('/') + 1));
  return names;
}

async function allChunkFiles(): Promise<string[]> {
  return (await Promise.all(cluster.nodes.map((node) => cluster.chunkFiles(node)))).flat();
}

describe('writing and reading', () => {
  it.each([
    [0, BLOCK_BYTES],
    [1, BLOCK_BYTES],
    [BLOCK_BYTES, BLOCK_BYTES],
    [BLOCK_BYTES + 1, BLOCK_BYTES],
    [10 * BLOCK_BYTES - 1, BLOCK_BYTES],
    [3 * MIB, MIB],
    [3 * MIB + 17, MIB],
    [5 * MIB + 1, 3 * BLOCK_BYTES],
    [4 * MIB, 64 * MIB],
  ])('gives back %i bytes in chunks of %i', async (length, chunkBytes) => {
    const bytes = randomBytes(length);
    const stat = await pangu.writeFile('/sizes/f', bytes, { chunkBytes, parents: true });
    expect(stat).toMatchObject({ path: '/sizes/f', type: 'file', size: length, state: 'closed', chunkBytes });
    expect(await pangu.stat('pangu://test/sizes/f')).toEqual(stat);
    expect((await pangu.readFile('/sizes/f')).equals(bytes)).toBe(true);
    expect((await read('/sizes/f')).equals(bytes)).toBe(true);

    const locations = await pangu.locate('/sizes/f');
    expect(locations.reduce((sum, { length }) => sum + length, 0)).toBe(length);
    for (const { nodes } of locations)
      expect([new Set(nodes).size, new Set(nodes.map((node) => (node < 'n3' ? 1 : 2))).size]).toEqual([3, 2]);

    const random = seededRandom(length);
    const file = await pangu.open('/sizes/f', 'r');
    for (let i = 0; i < 10; i++) {
      const position = random.int(length + 10);
      const wanted = random.int(length + 10);
      expect((await file.read(position, wanted)).equals(bytes.subarray(position, position + wanted))).toBe(true);
    }
    const [start, end] = [Math.floor(length / 3), Math.floor((2 * length) / 3)];
    expect((await read('/sizes/f', pangu, { start, end })).equals(bytes.subarray(start, end + 1))).toBe(true);
    await file.close();
    await expect(file.read(0, 1)).rejects.toEqual(withCode('EBADF'));
  });

  it('takes writes of any sizes, and syncs between them', async () => {
    const random = seededRandom(3);
    const bytes = randomBytes(3 * MIB);
    const file = await pangu.open('/pieces', 'wx', { chunkBytes: 5 * BLOCK_BYTES });
    let at = 0;
    let syncs = 0;
    while (at < bytes.length) {
      const length = Math.min(random.int(2) ? random.int(200) : random.int(400_000), bytes.length - at);
      void file.write(bytes.subarray(at, at + length)); // in order, also when nobody waits
      at += length;
      if (random.int(12) === 0 && syncs++ < 6) {
        await file.sync();
        expect(await pangu.stat('/pieces')).toMatchObject({ size: at, state: 'open' });
        const there = await pangu.readFile('/pieces');
        expect(there.equals(bytes.subarray(0, at))).toBe(true);
      }
    }
    expect(await file.close()).toMatchObject({ size: bytes.length, state: 'closed' });
    expect(await file.close()).toMatchObject({ size: bytes.length });
    await expect(file.write(bytes)).rejects.toEqual(withCode('EBADF'));
    expect((await pangu.readFile('/pieces')).equals(bytes)).toBe(true);
  });

  it('does not keep the buffer it was given', async () => {
    const buffer = Buffer.alloc(1000);
    const file = await pangu.open('/copied', 'w');
    for (let i = 0; i < 2000; i++) await file.write(buffer.fill(i % 256));
    await file.close();
    const bytes = await pangu.readFile('/copied');
    for (let i = 0; i < 2000; i++) expect(bytes[i * 1000]).toBe(i % 256);
  });

  it('streams both ways, and leaves nothing of a stream that is given up', async () => {
    const bytes = randomBytes(5 * MIB);
    await pipeline(
      async function* () {
        for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000);
      },
      pangu.createWriteStream('/streamed', { mode: 'wx', chunkBytes: MIB }),
    );
    expect((await read('/streamed')).equals(bytes)).toBe(true);
    const first = pangu.createReadStream('/streamed');
    for await (const _ of first) break; // the rest is not wanted

    const given = pangu.createWriteStream('/given-up', { mode: 'wx' });
    given.write(bytes);
    given.destroy();
    await once(given, 'close');
    await expect(pangu.stat('/given-up')).rejects.toEqual(withCode('ENOENT'));
    const missing = pangu.createReadStream('/none').resume();
    await expect(once(missing, 'end')).rejects.toEqual(withCode('ENOENT'));
  });

  it('replaces with mode w when the file is closed, while those who opened the old one read on', async () => {
    const [before, after] = [randomBytes(2 * MIB), randomBytes(MIB)];
    await pangu.writeFile('/replaced', before, { chunkBytes: BLOCK_BYTES * 8 });
    const reader = await pangu.open('/replaced', 'r');
    const writer = await pangu.open('/replaced', 'w');
    await writer.write(after);
    await writer.sync();
    expect((await pangu.readFile('/replaced')).equals(before)).toBe(true);
    await writer.close();
    expect((await pangu.readFile('/replaced')).equals(after)).toBe(true);
    // The grace is short in this cluster: a read either gives the old bytes or says that the file is gone.
    const late = await reader.read(0, before.length).catch((error) => error.code);
    expect(late === 'ENOENT' || late.equals(before)).toBe(true);
    await expect(pangu.writeFile('/replaced', 'x', { mode: 'wx' })).rejects.toEqual(withCode('EEXIST'));
    await expect(pangu.open('/replaced/x', 'r')).rejects.toEqual(withCode('ENOTDIR'));
    await expect(pangu.open('/', 'r')).rejects.toEqual(withCode('EISDIR'));
  });

  it('puts the first replica where it was asked to, and one only when that was asked', async () => {
    await pangu.writeFile('/scratch', randomBytes(MIB), { replicas: 1, sync: false, preferNode: 'n3', chunkBytes: BLOCK_BYTES * 4 });
    expect((await pangu.locate('/scratch')).map(({ nodes }) => nodes)).toEqual(Array(4).fill(['n3']));
    await cluster.clientOn('n2').writeFile('/local', 'x');
    expect((await pangu.locate('/local'))[0]!.nodes).toContain('n2');
  });

  it('takes odd names and finds them by pattern', async () => {
    const names = ["it's", 'a b', '*', '[x]', '\u00fc\u{1f600}', 'new\nline', '-rf', '%2F', '\\'];
    for (const name of names) await pangu.writeFile(`/odd/${name}`, name, { parents: true });
    expect(await namesIn('/odd')).toEqual([...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    for (const name of names) expect((await pangu.readFile(`/odd/${name}`)).toString()).toBe(name);
    expect((await pangu.glob('/odd/\\*')).map(({ path }) => path)).toEqual(['/odd/*']);
    expect(await pangu.glob('/odd/*')).toHaveLength(names.length);
  });

  it('finds files by pattern, in order of their paths', async () => {
    for (const path of ['a/1.txt', 'a/2.log', 'a/b/3.txt', 'a.txt', 'c/b/4.txt', 'c/.h.txt'])
      await pangu.writeFile(`/g/${path}`, '', { parents: true });
    const find = async (pattern: string): Promise<string[]> => (await pangu.glob(pattern)).map(({ path }) => path.slice(3));
    expect(await find('/g/**/*.txt')).toEqual(['a.txt', 'a/1.txt', 'a/b/3.txt', 'c/.h.txt', 'c/b/4.txt']);
    expect(await find('pangu://test/g/*/*.{txt,log}')).toEqual(['a/1.txt', 'a/2.log', 'c/.h.txt']);
    expect(await find('/g/?/b/*')).toEqual(['a/b/3.txt', 'c/b/4.txt']);
    expect(await find('/g/a/**')).toEqual(['a/1.txt', 'a/2.log', 'a/b/3.txt']);
    expect(await find('/g/a/1.txt')).toEqual(['a/1.txt']);
    for (const nothing of ['/g/a', '/none/*', '/g/a.txt/*', '/g/none']) expect(await find(nothing)).toEqual([]);
  });
});

describe('a file that is removed', () => {
  it('gives back its space on every disk, with all below a directory', async () => {
    await pangu.rm('/rm', { recursive: true, force: true });
    const before = new Set(await allChunkFiles());
    await pangu.writeFile('/rm/a/b', randomBytes(MIB), { parents: true, chunkBytes: BLOCK_BYTES * 4 });
    await pangu.writeFile('/rm/c', randomBytes(10), { parents: true });
    const made = (await allChunkFiles()).filter((file) => !before.has(file));
    expect(made).toHaveLength(15);
    await expect(pangu.rm('/rm')).rejects.toEqual(withCode('ENOTEMPTY'));
    await pangu.rm('/rm', { recursive: true });
    await expect(pangu.stat('/rm/c')).rejects.toEqual(withCode('ENOENT'));
    await expect.poll(async () => (await allChunkFiles()).filter((file) => made.includes(file)), { timeout: 10_000 }).toEqual([]);
  });

  it('fails its writer in the end, and leaves nothing of it', async () => {
    const file = await pangu.open('/unlinked', 'wx');
    await file.write(randomBytes(MIB));
    await file.sync();
    await pangu.unlink('/unlinked');
    await expect(file.close()).rejects.toEqual(withCode('ENOENT'));
    await file.abort();
  });
});

describe('a replica that went bad', () => {
  it('is read around, byte for byte, then reported and dropped', async () => {
    const bytes = randomBytes(2 * MIB);
    await pangu.writeFile('/bad', bytes, { chunkBytes: 4 * MIB });
    const [{ chunk, nodes }] = (await pangu.locate('/bad')) as [ChunkLocation];
    const bad = nodes[0]!;
    const onDisk = (await cluster.chunkFiles(bad)).find((file) => file.endsWith(chunk))!;
    const image = await readFile(onDisk);
    image[image.length - 12345]! ^= 1;
    await writeFile(onDisk, image);

    // A reader on that very node would ask it first.
    const reader = cluster.clientOn(bad);
    expect((await reader.readFile('/bad')).equals(bytes)).toBe(true);
    await expect
      .poll(async () => (await pangu.locate('/bad'))[0]!.nodes, { timeout: 10_000 })
      .toEqual(nodes.filter((node) => node !== bad));
    await expect.poll(() => cluster.chunkFiles(bad), { timeout: 10_000 }).not.toContain(onDisk);
  });

  it('fails the read when it is the last, naming chunk and file, and stays on the list', async () => {
    await pangu.writeFile('/last', randomBytes(1000), { replicas: 1, preferNode: 'n1' });
    const [{ chunk }] = (await pangu.locate('/last')) as [ChunkLocation];
    const onDisk = (await cluster.chunkFiles('n1')).find((file) => file.endsWith(chunk))!;
    const image = await readFile(onDisk);
    image[image.length - 1]! ^= 1;
    await writeFile(onDisk, image);
    const failure = await pangu.readFile('/last').catch((error) => error);
    expect(failure).toMatchObject({ code: 'EIO', details: { chunk, file: expect.any(String) } });
    expect((await pangu.locate('/last'))[0]!.nodes).toEqual(['n1']);
  });
});

describe('a reply that is lost', () => {
  it('changes no answer: what was done once is done once', async () => {
    const proxy = await startCuttingProxy(cluster.masterAddress);
    const kuafu = createKuafuClient({ resolver: { resolve: async () => [proxy.address], suspect: () => {} } });
    const through = createPangu({ cluster: 'test', kuafu });
    try {
      await pangu.mkdir('/lost');
      await pangu.writeFile('/lost/from', 'x');
      await pangu.writeFile('/lost/part', 'y');
      await through.stat('/lost'); // connected
      const losing = async (work: () => Promise<unknown>): Promise<void> => {
        const lost = proxy.loseNextReply();
        await Promise.all([work(), lost]);
      };
      await losing(() => through.mkdir('/lost/d'));
      await losing(() => through.rename('/lost/from', '/lost/to'));
      await losing(() => through.unlink('/lost/to'));
      await losing(() => through.publish('lost-1', [{ directory: '/lost/out', files: [{ from: '/lost/part', name: 'p' }] }]));
      await losing(() => through.writeFile('/lost/new', 'z', { mode: 'wx' }));
      const file = await through.open('/lost/closed', 'w');
      await file.write(Buffer.from('w'));
      await losing(() => file.close());
      await losing(() => through.rm('/lost/d'));
      expect(await namesIn('/lost')).toEqual(['closed', 'new', 'out']);
      expect(await namesIn('/lost/out')).toEqual(['p']);
      expect((await pangu.readFile('/lost/closed')).toString()).toBe('w');
    } finally {
      await kuafu.close();
      await proxy.close();
    }
  });
});
