import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDirectory } from '../../../../services/nuwa/log/directory-lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nuwa-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('a directory is held by one process until it lets go', async () => {
  const release = await lockDirectory(dir);
  await expect(lockDirectory(dir)).rejects.toThrow(/in use by process/);
  await release();
  await (await lockDirectory(dir))();
});

test.skipIf(process.platform !== 'linux')('a process that was killed and not waited for holds nothing', async () => {
  // The shell leaves its child a zombie: it sleeps and never waits.
  const shell = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const pid = Number(await new Promise<string>((resolve) => shell.stdout.once('data', (text) => resolve(String(text)))));
    const fields = (): string[] => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    };
    writeFileSync(join(dir, 'lock'), `${pid} ${fields()[19]}`);
    await expect(lockDirectory(dir)).rejects.toThrow(/in use by process/);
    process.kill(pid, 'SIGKILL');
    while (fields()[0] !== 'Z') await new Promise((resolve) => setImmediate(resolve));
    await (await lockDirectory(dir))();
  } finally {
    shell.kill('SIGKILL');
  }
});
