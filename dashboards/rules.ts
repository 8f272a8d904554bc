import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ruleFile } from './alerts/alert.ts';
import { ALERT_GROUPS } from './alerts/index.ts';

/** The pages of this checkout. Whoever has them on a web server names that instead, so that a link in a message can be followed. */
export const RUNBOOKS = new URL('runbooks', import.meta.url).href;

/** Writes the alerts as Prometheus reads them. Apart from write.ts, as it needs no Grafana SDK. @returns the path. */
export async function writeRules(path: string, runbooks = RUNBOOKS): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(ruleFile(ALERT_GROUPS, runbooks), null, 2)}\n`);
  return path;
}
