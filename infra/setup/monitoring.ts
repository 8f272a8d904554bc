/**
 * Prometheus, Alertmanager and Grafana: used where they are on PATH. They are not fetched, as Feitian runs without them; whoever lacks one is told
 * how to get it.
 */
import { access, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Environment } from '../temporal-config.ts';
import { onPath } from './on-path.ts';
import { runProgram } from './run-program.ts';

export type MonitoringProgram = 'prometheus' | 'alertmanager' | 'grafana';

interface Known {
  /** On PATH, by package: upstream's own, Debian's. */
  names: readonly string[];
  /** What it says of itself with `--version`. */
  says: RegExp;
  /** In one line. */
  howToGet: string;
}

export const MONITORING_PROGRAMS: Readonly<Record<MonitoringProgram, Known>> = {
  prometheus: {
    names: ['prometheus'],
    says: /^prometheus, version (\S+)/m,
    howToGet: 'not on PATH: apt install prometheus, brew install prometheus, or prometheus.io/download',
  },
  alertmanager: {
    names: ['alertmanager', 'prometheus-alertmanager'],
    says: /^alertmanager, version (\S+)/m,
    howToGet: 'not on PATH: apt install prometheus-alertmanager, or prometheus.io/download',
  },
  grafana: {
    names: ['grafana', 'grafana-server'],
    says: /^(?:grafana version|Version) (\S+)/im,
    howToGet:
      'not on PATH: brew install grafana, or grafana.com/grafana/download; or put the dashboards into yours: npm run dashboards -- --push URL',
  },
};

export interface FoundMonitoring {
  path: string;
  version: string;
}

/** The first on PATH that runs and is what its name says. */
export async function findMonitoring(what: MonitoringProgram, env: Environment = process.env): Promise<FoundMonitoring | undefined> {
  const { names, says } = MONITORING_PROGRAMS[what];
  for (const path of (await Promise.all(names.map((name) => onPath(name, env)))).flat()) {
    const said = await runProgram(path, ['--version'], { timeoutMs: 20_000 }).catch(() => ({ stdout: '', stderr: '' }));
    const version = says.exec(`${said.stdout}\n${said.stderr}`)?.[1];
    if (version) return { path, version };
  }
  return undefined;
}

/** How Grafana's server is begun: newer ones have one program with a verb. */
export function grafanaServer(path: string): { command: string; args: string[] } {
  return { command: path, args: basename(path) === 'grafana' ? ['server'] : [] };
}

/** Where Grafana's own files are, its web pages among them: beside its program, or where packages put them. */
export async function grafanaHome(path: string, env: Environment = process.env): Promise<string | undefined> {
  const beside = dirname(dirname(await realpath(path)));
  const candidates = [
    env.GF_PATHS_HOME,
    beside,
    join(beside, 'share', 'grafana'),
    join(dirname(dirname(path)), 'share', 'grafana'),
    '/usr/share/grafana',
  ];
  for (const home of candidates) {
    if (!home) continue;
    const there = await access(join(home, 'conf', 'defaults.ini')).then(
      () => true,
      () => false,
    );
    if (there) return home;
  }
  return undefined;
}
