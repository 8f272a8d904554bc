import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';

/** Where a local cluster's parts answer, `host:port` each. */
export interface LocalPlaces {
  shennong: string;
  /** The file of alert rules. */
  rules: string;
  /** Of the token that they show to Shennong and to all that they scrape. */
  httpTokenFile: string;
  alertmanager?: string;
}

/** The file is read for each request, so no secret is in the configuration. */
interface Authorization {
  type: string;
  credentials_file: string;
}

/** With its type: Prometheus 2.42 has no default for it where it asks for targets. */
const bearerOf = (file: string): Authorization => ({ type: 'Bearer', credentials_file: file });

interface PrometheusConfig {
  rule_files: string[];
  alerting?: object;
  scrape_configs: { authorization?: Authorization; http_sd_configs: { url: string; authorization?: Authorization }[] }[];
}

/** prometheus.yml with the addresses of a local cluster. */
export async function localPrometheusConfig({ shennong, rules, httpTokenFile, alertmanager }: LocalPlaces): Promise<string> {
  const config = (await read('prometheus.yml')) as PrometheusConfig;
  config.rule_files = [rules];
  if (alertmanager) config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] };
  else delete config.alerting;
  for (const scrape of config.scrape_configs) {
    scrape.authorization = bearerOf(httpTokenFile);
    for (const found of scrape.http_sd_configs)
      Object.assign(found, { url: `http://${shennong}${new URL(found.url).pathname}`, authorization: bearerOf(httpTokenFile) });
  }
  return stringify(config);
}

interface AlertmanagerConfig {
  receivers: { webhook_configs: { url: string; http_config?: { authorization: Authorization } }[] }[];
}

/** alertmanager.yml with the address of a local cluster's Shennong. */
export async function localAlertmanagerConfig({
  shennong,
  httpTokenFile,
}: Pick<LocalPlaces, 'shennong' | 'httpTokenFile'>): Promise<string> {
  const config = (await read('alertmanager.yml')) as AlertmanagerConfig;
  for (const { webhook_configs } of config.receivers)
    for (const hook of webhook_configs)
      Object.assign(hook, {
        url: `http://${shennong}${new URL(hook.url).pathname}`,
        http_config: { authorization: bearerOf(httpTokenFile) },
      });
  return stringify(config);
}

async function read(name: string): Promise<object> {
  return parse(await readFile(new URL(name, import.meta.url), 'utf8')) as object;
}
