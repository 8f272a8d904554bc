import { execFile } from 'node:child_process';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Two servers over one directory would write into each other's log, so the first one leaves a file with its process id. A
 * killed server leaves it behind; the time at which that process began tells it from a later process with the same id.
 */
export async function lockDirectory(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, 'lock');
  const mine = join(dir, `lock-${process.pid}.tmp`);
  const holder = `${process.pid} ${await processStart(process.pid)}`;
  await writeFile(mine, holder);
  try {
    for (let tries = 1; ; tries++) {
      try {
        await link(mine, path);
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 3) throw error;
      }
      const [pid = '', ...start] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
      const runs = pid !== '' && (await processStart(Number(pid))) === start.join(' ');
      if (runs) throw new Error(`${dir} is in use by process ${pid}`);
      await rm(path, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** When a process began, in whatever words the system has for it; empty when there is none such. */
async function processStart(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The second field, the command, may hold spaces; the start time is the 22nd.
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // One that was killed and that nobody has waited for holds nothing any more.
    return state === 'Z' || state === 'X' ? '' : (fields[18] ?? '');
  }
  return promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  );
}
