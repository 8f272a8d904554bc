import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DATASOURCE } from './panels.ts';
import { temporalDashboard } from './temporal.ts';

/**
 * `npm run dashboards [-- --out DIR --prometheus URL]`: writes every dashboard as JSON and the provisioning that makes Grafana load them:
 * start Grafana with its `provisioning` path at `DIR/provisioning`.
 */
export const DASHBOARDS = [temporalDashboard];

export async function writeDashboards(out: string, prometheusUrl: string): Promise<string[]> {
  const folder = join(out, 'dashboards');
  const written: string[] = [];
  await mkdir(folder, { recursive: true });
  for (const build of DASHBOARDS) {
    const dashboard = build();
    const path = join(folder, `${dashboard.uid}.json`);
    await writeFile(path, `${JSON.stringify(dashboard, null, 2)}\n`);
    written.push(path);
  }
  // Grafana reads YAML, of which JSON is a part.
  const provision = async (kind: string, content: object): Promise<void> => {
    const path = join(out, 'provisioning', kind, 'feitian.yaml');
    await mkdir(join(out, 'provisioning', kind), { recursive: true });
    await writeFile(path, `${JSON.stringify({ apiVersion: 1, ...content }, null, 2)}\n`);
    written.push(path);
  };
  await provision('datasources', {
    datasources: [{ name: 'Feitian', ...DATASOURCE, access: 'proxy', url: prometheusUrl, isDefault: true }],
  });
  await provision('dashboards', { providers: [{ name: 'feitian', folder: 'Feitian', type: 'file', options: { path: folder } }] });
  return written;
}

if (process.argv[1] && import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: 'dashboards/generated' }, prometheus: { type: 'string', default: 'http://127.0.0.1:9090' } },
  });
  for (const path of await writeDashboards(resolve(values.out), values.prometheus)) console.log(path);
}
