import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';

/** Where a local cluster's parts answer, `host:port` each. */
export interface LocalPlaces {
  shennong: string;
  /** The file of alert rules. */
  rules: string;
  alertmanager?: string;
}

interface PrometheusConfig {
  rule_files: string[];
  alerting?: object;
  scrape_configs: { http_sd_configs: { url: string }[] }[];
}

/** prometheus.yml with the addresses of a local cluster. */
export async function localPrometheusConfig({ shennong, rules, alertmanager }: LocalPlaces): Promise<string> {
  const config = (await read('prometheus.yml')) as PrometheusConfig;
  config.rule_files = [rules];
  if (alertmanager) config.alerting = { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] };
  else delete config.alerting;
  for (const { http_sd_configs } of config.scrape_configs)
    for (const found of http_sd_configs) found.url = `http://${shennong}${new URL(found.url).pathname}`;
  return stringify(config);
}

interface AlertmanagerConfig {
  receivers: { webhook_configs: { url: string }[] }[];
}

/** alertmanager.yml with the address of a local cluster's Shennong. */
export async function localAlertmanagerConfig({ shennong }: Pick<LocalPlaces, 'shennong'>): Promise<string> {
  const config = (await read('alertmanager.yml')) as AlertmanagerConfig;
  for (const { webhook_configs } of config.receivers)
    for (const hook of webhook_configs) hook.url = `http://${shennong}${new URL(hook.url).pathname}`;
  return stringify(config);
}

async function read(name: string): Promise<object> {
  return parse(await readFile(new URL(name, import.meta.url), 'utf8')) as object;
}
