import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, leftovers, openCluster, type TestCluster } from '../helpers/cluster.ts';

const run = promisify(execFile);
const FEITIAN = new URL('../../infra/bin/feitian.mjs', import.meta.url).pathname;
const NODES = ['node-1', 'node-2'];
/** Less than what the job writes: no disk holds it, not even if the other is given up. */
const DISK_MIB = 40;
/** A chunk wants its whole room at once. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Disks of chunk servers that are small enough to fill: memory file systems, which only root may mount. */
const dir = await mkdtemp(join(tmpdir(), 'feitian-full-'));
const disks = NODES.map((node) => join(dir, 'nodes', node, 'pangu-chunk'));
const mounted = await mountAll();
if (!mounted) console.log('skipped: small disks need the right to mount a tmpfs');

async function mountAll(): Promise<boolean> {
  try {
    for (const disk of disks) {
      await mkdir(disk, { recursive: true });
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk]);
    }
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!mounted)('a full disk', () => {
  let test: TestCluster;
  beforeAll(async () => {
    test = await openCluster({ dir, nodes: NODES.length });
    await test.pangu.setChunkBytes('/', CHUNK_BYTES);
    await test.pangu.writeFile('/in/text', 'one\n', { parents: true });
  }, 120_000);
  afterAll(async () => {
    await test?.stop();
    for (const disk of disks) await run('umount', [disk]);
    await rm(dir, { recursive: true, force: true });
  });

  it('fails the job with the cause, publishes nothing, and its space comes back', async () => {
    const before = await writeAll(test, '/before');
    const handle = await test.submit(
      {
        name: 'too-much',
        tasks: {
          map: {
            run: { command: ['sh', '-c', 'cat >/dev/null; yes | head -c 50000000'] },
            retry: { maxAttempts: 2 },
            backup: { enabled: false },
          },
        },
        pipes: [
          { source: { filePattern: 'pangu://local/in/*' }, destination: { accessPoint: 'map:input' } },
          { source: { accessPoint: 'map:output' }, destination: { filePattern: 'pangu://local/out/too-much' } },
        ],
      },
      'too-much',
    );
    const failure = await failureOf(handle);
    expect(failure).toMatchObject({ type: 'StorageFailed', message: expect.stringContaining('ENOSPC') });
    await expect(test.pangu.stat('/out/too-much')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await leftovers(test.pangu)).toEqual([]);
    const shown = await run(process.execPath, [FEITIAN, 'job', 'status', 'too-much', '--dir', test.dir]);
    expect(shown.stdout).toContain('ENOSPC');
    // What was there before is there still, and there is room for as much again once the garbage is gone.
    expect(await test.pangu.readFile('/before')).toEqual(before);
    await expect
      .poll(
        () =>
          writeAll(test, '/after').then(
            () => true,
            () => false,
          ),
        { timeout: 120_000, interval: 4_000 },
      )
      .toBe(true);
  }, 400_000);
});

async function writeAll(test: TestCluster, path: string): Promise<Buffer> {
  const bytes = Buffer.alloc(6_000_000, path);
  await test.pangu.writeFile(path, bytes);
  return bytes;
}
