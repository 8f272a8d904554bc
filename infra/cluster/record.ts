import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writePrivateFile } from './private-file.ts';

/**
 * What the launcher writes down for whoever comes after it: each process with the time it started, which together name it for sure. `up` and
 * `down` go by this when the launcher itself was killed. Written at every start of a process, before anything waits for it.
 */
const recordSchema = z.object({
  /** In the environment of everything that descends from this launcher. */
  launchId: z.string(),
  processes: z.array(
    z.object({
      name: z.string(),
      pid: z.number().int(),
      startTime: z.string(),
      stopSignal: z.enum(['SIGTERM', 'SIGINT']),
      /** Lower ones are stopped first. */
      stopTier: z.number().int(),
    }),
  ),
  ports: z.array(z.number().int()),
});
export type LauncherRecord = z.infer<typeof recordSchema>;

export function writeRecord(path: string, record: LauncherRecord): void {
  writePrivateFile(path, `${JSON.stringify(record, undefined, 2)}\n`);
}

export async function readRecord(path: string): Promise<LauncherRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : recordSchema.parse(JSON.parse(text));
}
