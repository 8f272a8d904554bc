import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AgentUnderTest, ask, startAgentUnderTest } from './agent-under-test.ts';

const run = promisify(execFile);

/** A disk that is small enough to fill: a memory file system, which only root may mount. */
const disk = await mkdtemp(join(tmpdir(), 'feitian-dayu-full-'));
const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).then(
  () => true,
  () => false,
);
if (!mounted) console.log('skipped: a small disk needs the right to mount a tmpfs');

describe.skipIf(!mounted)('on a full disk', () => {
  let node: AgentUnderTest;
  beforeAll(async () => {
    node = await startAgentUnderTest({ dataDir: disk });
  });
  afterAll(async () => {
    await node?.stop();
    await run('umount', [disk]);
    await rm(disk, { recursive: true, force: true });
  });

  test('a deployment is refused before anything is stopped, leaves nothing, and succeeds when there is room', async () => {
    const [running] = await node.deploy(await node.version('1.0.0'));
    const filler = join(disk, 'filler');
    await writeFile(filler, Buffer.alloc(3 * 1024 * 1024));
    // Packed it is small, unpacked it is too large.
    const large = await node.version('2.0.0', { files: { large: 'x'.repeat(2 * 1024 * 1024) } });
    const releases = join(disk, 'services/hello/releases');
    const before = await readdir(releases);
    await expect(node.deploy(large)).rejects.toMatchObject({ code: 'StorageFailed', message: expect.stringContaining('ENOSPC') });
    expect(await readdir(releases)).toEqual(before);
    expect(await ask((await node.entry())!.address)).toMatchObject({ version: '1.0.0', pid: running!.pid });

    await rm(filler);
    expect(await node.deploy(large)).toMatchObject([{ version: '2.0.0', state: 'healthy' }]);
  });
});
