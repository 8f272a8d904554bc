import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SETTINGS, type Settings } from './board.ts';
import { DASHBOARDS } from './index.ts';
import { DATASOURCE } from './panels.ts';
import { writeRules } from './rules.ts';

export interface WriteOptions extends Settings {
  /** Where Grafana reaches Prometheus. */
  prometheusUrl: string;
  /** Below which the runbook pages are; see rules.ts. */
  runbooks?: string;
  /** Where Grafana finds the dashboards, when that is not where they are written: in a container. @default `<out>/dashboards` */
  mountedAt?: string;
}

/**
 * Writes `<out>/dashboards/<uid>.json`, `<out>/provisioning/…` that makes Grafana load them (its path `provisioning` must point there), and
 * `<out>/rules/feitian.yaml` for Prometheus.
 *
 * @returns the paths of all files.
 */
export async function writeDashboards(out: string, options: Partial<WriteOptions> & { prometheusUrl: string }): Promise<string[]> {
  const folder = join(out, 'dashboards');
  const written: string[] = [];
  const write = async (path: string, content: object): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
    written.push(path);
  };
  for (const build of DASHBOARDS) {
    const dashboard = build({ ...SETTINGS, ...options });
    await write(join(folder, `${dashboard.uid}.json`), dashboard);
  }
  // Grafana and Prometheus read YAML, of which JSON is a part.
  const provision = (kind: string, content: object): Promise<void> =>
    write(join(out, 'provisioning', kind, 'feitian.yaml'), { apiVersion: 1, ...content });
  await provision('datasources', { datasources: [dataSource(options.prometheusUrl)] });
  await provision('dashboards', {
    providers: [
      { name: 'feitian', folder: FOLDER.title, folderUid: FOLDER.uid, type: 'file', options: { path: options.mountedAt ?? folder } },
    ],
  });
  written.push(await writeRules(join(out, 'rules', 'feitian.yaml'), options.runbooks));
  return written;
}

/** Where the dashboards lie in Grafana. */
export const FOLDER = { uid: 'feitian', title: 'Feitian' };

/** As Grafana's provisioning and its HTTP API both take it. `timeInterval`: how often Prometheus scrapes, from which windows of rates follow. */
export function dataSource(prometheusUrl: string): object {
  return {
    name: 'Feitian',
    ...DATASOURCE,
    access: 'proxy',
    url: prometheusUrl,
    isDefault: true,
    jsonData: { timeInterval: '5s', httpMethod: 'POST' },
  };
}
