import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import {
  type ReportChunksContext,
  type ReportChunksOptions,
  reportOnce,
  startReportingChunks,
} from '../../../../services/pangu/chunk/background/report-chunks.ts';
import { ChunkStore } from '../../../../services/pangu/chunk/chunk-store.ts';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import { crc } from '../../../../services/pangu/crc.ts';

const IDS = Array.from({ length: 20 }, (_, i) => `c-${String(i).padStart(2, '0')}`);

/** Masters with the rows of one node, who answer in pages of 7. */
class FakeMasters {
  rows = [...IDS];
  asked = 0;
  readonly lost: string[] = [];

  async heldChunks({ after = '' }: { after?: string }): Promise<{ chunks: string[]; more: boolean }> {
    this.asked++;
    const later = this.rows.filter((id) => id > after);
    return { chunks: later.slice(0, 7), more: later.length > 7 };
  }

  async reportReplicas({ lost }: { lost: string[] }): Promise<object> {
    this.lost.push(...lost);
    return {};
  }
}

let directory: string;
let store: ChunkStore;
let masters: FakeMasters;
const dir = (name: string): string => join(directory, name);
const context = (more: Partial<ReportChunksContext> = {}): ReportChunksContext => ({
  node: 'n1',
  store,
  masters: masters as unknown as ReportChunksContext['masters'],
  clock: systemClock,
  log: silentLogger,
  ...more,
});

function openStore(): Promise<ChunkStore> {
  const owner = { node: 'n1', cluster: 'test', dataDir: dir('data'), disks: [dir('a'), dir('b')] };
  return ChunkStore.open({ ...owner, log: silentLogger, random: seededRandom(5) });
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'feitian-test-report-chunks-'));
  store = await openStore();
  masters = new FakeMasters();
  for (const id of IDS) {
    const bytes = randomBytes(100);
    await store.useOrCreate(id, BLOCK_BYTES, true, (file) => file.append(0, bytes, [crc(bytes)], 'seal', false));
  }
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

async function onDisk(name: string): Promise<string[]> {
  return (await store.disks.all.find(({ path }) => path === dir(name))!.names()).sort();
}

describe('the report of a chunk server', () => {
  it('names what rows say is here and is not, page by page, and nothing else', async () => {
    masters.rows.push('c-99');
    await store.delete('c-03');
    await reportOnce(context(), 0, new AbortController().signal);
    expect(masters.lost).toEqual(['c-03', 'c-99']);
    expect(masters.asked).toBe(3);
  });

  it('comes at once when a disk fails, with all that lay there', async () => {
    const lost = await onDisk('b');
    expect(lost.length).toBeGreaterThan(2);
    const loop = startReportingChunks(context(), { firstMs: 3_600_000, pauseMs: 3_600_000 /* which does not hold up an urgent one */ });
    store.disks.all[1]!.fail('test');
    await expect.poll(() => masters.lost).toEqual(lost);
    await loop.stop();
  });

  it('waits for a disk that was missing at the start, and names what lay there when it does not come', async () => {
    const lost = await onDisk('b');
    await store.close();
    renameSync(dir('b'), dir('away'));
    store = await openStore();
    const clock = new ManualClock();
    const options: ReportChunksOptions = { firstMs: 0, pauseMs: 0, missingGraceMs: 600_000 };
    const loop = startReportingChunks(context({ clock }), options);
    const advance = async (ms: number): Promise<string[]> => {
      clock.advance(ms);
      await new Promise((resolve) => setImmediate(resolve)); // whoever was woken goes on
      return masters.lost;
    };
    await advance(0);
    await advance(599_000);
    expect(masters.asked).toBe(0);
    await advance(1_000);
    await expect.poll(() => advance(0)).toEqual(lost);
    expect(masters.asked).toBe(3);
    await loop.stop();
  });
});
