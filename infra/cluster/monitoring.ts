/**
 * Prometheus, Alertmanager and Grafana of a local cluster: each started where it is on PATH, supervised like every other process. What is missing
 * is said in one line, and the rest does without it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { localAlertmanagerConfig, localPrometheusConfig } from '../prometheus/local.ts';
import {
  type FoundMonitoring,
  findMonitoring,
  grafanaHome,
  grafanaServer,
  MONITORING_PROGRAMS,
  type MonitoringProgram,
} from '../setup/monitoring.ts';
import { ownPassword } from './own-password.ts';
import { STOP_TIERS } from './plan.ts';
import { wantedPort } from './ports.ts';
import type { ProcessSpec } from './process-run.ts';
import type { StartContext } from './start-context.ts';

/** Addresses, `http://host:port`, of those that run. */
export type Monitoring = { [Program in MonitoringProgram]?: string };

export interface Watched {
  /** `host:port` of Shennong's HTTP face. */
  shennong: string;
  temporal: { namespace: string; ui?: string };
  env: Readonly<Record<string, string | undefined>>;
}

export async function startMonitoring(context: StartContext, watched: Watched): Promise<Monitoring> {
  const [prometheus, alertmanager, grafana] = await Promise.all([
    findOrTell('prometheus'),
    findOrTell('alertmanager'),
    findOrTell('grafana'),
  ]);
  const running: Monitoring = {};
  if (alertmanager) running.alertmanager = await startAlertmanager(context, watched, alertmanager);
  if (prometheus) running.prometheus = await startPrometheus(context, watched, prometheus, running.alertmanager);
  if (grafana && running.prometheus) {
    const url = await startGrafana(context, watched, grafana, running.prometheus);
    if (url) running.grafana = url;
  }
  return running;

  async function findOrTell(what: MonitoringProgram): Promise<FoundMonitoring | undefined> {
    const found = await findMonitoring(what, watched.env);
    if (!found) context.note(what, MONITORING_PROGRAMS[what].howToGet);
    return found;
  }
}

async function startAlertmanager(context: StartContext, { shennong, env }: Watched, { path, version }: FoundMonitoring): Promise<string> {
  const { directory, port, url } = await placeOf(context, 'alertmanager');
  const config = join(directory, 'alertmanager.yml');
  await writeFile(config, await localAlertmanagerConfig({ shennong, httpTokenFile: context.layout.httpTokenFile }));
  const args = [`--config.file=${config}`, `--storage.path=${join(directory, 'data')}`, `--web.listen-address=127.0.0.1:${port}`];
  // The only one there is: without an address of its own for others.
  args.push('--cluster.listen-address=', '--log.level=warn');
  await start(context, { role: 'alertmanager', command: path, args, env, url, version, ready: '/-/ready' });
  return url;
}

async function startPrometheus(
  context: StartContext,
  { shennong, env }: Watched,
  { path, version }: FoundMonitoring,
  alertmanager: string | undefined,
): Promise<string> {
  const { directory, port, url } = await placeOf(context, 'prometheus');
  const { writeRules } = await import('../../dashboards/rules.ts');
  const config = join(directory, 'prometheus.yml');
  const rules = await writeRules(join(directory, 'rules.yaml'));
  const places = {
    shennong,
    rules,
    httpTokenFile: context.layout.httpTokenFile,
    ...(alertmanager ? { alertmanager: new URL(alertmanager).host } : {}),
  };
  await writeFile(config, await localPrometheusConfig(places));
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(directory, 'data')}`, `--web.listen-address=127.0.0.1:${port}`];
  // What a process told last counts for so long: with the default of 5 minutes a cluster that was stopped and started would count everything twice.
  args.push('--query.lookback-delta=30s', '--log.level=warn');
  await start(context, { role: 'prometheus', command: path, args, env, url, version, ready: '/-/ready' });
  return url;
}

async function startGrafana(
  context: StartContext,
  { temporal, env }: Watched,
  { path, version }: FoundMonitoring,
  prometheus: string,
): Promise<string | undefined> {
  const home = await grafanaHome(path, env);
  if (!home) {
    context.note('grafana', `${path} is there, but not its own files: set GF_PATHS_HOME to the directory that holds conf/defaults.ini`);
    return undefined;
  }
  const { directory, port, url } = await placeOf(context, 'grafana');
  const { writeDashboards } = await import('../../dashboards/write.ts');
  const { namespace, ui } = temporal;
  await writeDashboards(directory, { prometheusUrl: prometheus, temporalNamespace: namespace, ...(ui ? { temporalUi: ui } : {}) });
  const password = join(context.layout.keys, 'grafana-password');
  await ownPassword(password);
  const { command, args } = grafanaServer(path);
  const settings = {
    GF_SERVER_HTTP_ADDR: '127.0.0.1',
    GF_SERVER_HTTP_PORT: `${port}`,
    GF_PATHS_DATA: join(directory, 'data'),
    GF_PATHS_LOGS: join(directory, 'data', 'log'),
    GF_PATHS_PLUGINS: join(directory, 'data', 'plugins'),
    GF_PATHS_PROVISIONING: join(directory, 'provisioning'),
    GF_LOG_MODE: 'console',
    // Whoever can reach it may look; to change something one has to be its admin.
    GF_AUTH_ANONYMOUS_ENABLED: 'true',
    GF_SECURITY_ADMIN_PASSWORD__FILE: password,
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: join(directory, 'dashboards', 'feitian-overview.json'),
    // Nothing leaves the machine.
    GF_ANALYTICS_REPORTING_ENABLED: 'false',
    GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
    GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
  };
  const withHome = [...args, `--homepath=${home}`];
  await start(context, { role: 'grafana', command, args: withHome, env: { ...env, ...settings }, url, version, ready: '/api/health' });
  return url;
}

interface Starting extends Pick<ProcessSpec, 'role' | 'command' | 'args' | 'env'> {
  url: string;
  version: string;
  /** The path that answers 200 once it is ready. */
  ready: string;
}

async function start({ layout, step, start }: StartContext, { url, version, ready, ...process }: Starting): Promise<void> {
  const spec: ProcessSpec = {
    ...process,
    log: layout.logOf(process.role),
    ready: (signal) => awaitAnswer(`${url}${ready}`, signal),
    stopSignal: 'SIGTERM',
    // Before those that it watches, whose ends are no news.
    stopTier: STOP_TIERS.watching,
  };
  await step(
    process.role,
    () => start(spec),
    () => `${url} (${version})`,
  );
}

async function placeOf({ layout, shape, ports }: StartContext, what: MonitoringProgram) {
  const directory = layout.dataOf(what);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const port = await wantedPort(shape.ports[what], what);
  ports.add(port);
  return { directory, port, url: `http://127.0.0.1:${port}` };
}

async function awaitAnswer(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const ok = await fetch(url, { signal }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await delay(50, undefined, { signal });
  }
}
