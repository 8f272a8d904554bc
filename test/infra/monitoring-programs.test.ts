import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { localAlertmanagerConfig, localPrometheusConfig } from '../../infra/prometheus/local.ts';
import { findMonitoring, grafanaHome, grafanaServer } from '../../infra/setup/monitoring.ts';
import { runProgram } from '../../infra/setup/run-program.ts';
import { isInstalled, skipWithout } from '../helpers/programs.ts';

let here: string;
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'feitian-monitoring-'));
});
afterEach(() => rm(here, { recursive: true }));

async function program(path: string, says: string): Promise<string> {
  const whole = join(here, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeFile(whole, `#!/bin/sh\necho '${says}'\n`);
  await chmod(whole, 0o755);
  return whole;
}

describe('a program that watches', () => {
  it('is found on PATH by any of its names, and tells its version', async () => {
    const path = await program('bin/prometheus-alertmanager', 'alertmanager, version 0.25.0 (branch: debian)');
    const env = { PATH: `/nowhere:${join(here, 'bin')}` };
    expect(await findMonitoring('alertmanager', env)).toEqual({ path, version: '0.25.0' });
    expect(await findMonitoring('prometheus', env)).toBeUndefined();
  });

  it('is passed over when it is something else of that name, or does not run', async () => {
    await program('a/prometheus', 'a game, version 2');
    await writeFile(join(here, 'a', 'grafana'), 'no program');
    await chmod(join(here, 'a', 'grafana'), 0o755);
    const right = await program('b/prometheus', 'prometheus, version 3.1.0 (branch: HEAD)');
    const env = { PATH: `${join(here, 'a')}:${join(here, 'b')}` };
    expect(await findMonitoring('prometheus', env)).toEqual({ path: right, version: '3.1.0' });
    expect(await findMonitoring('grafana', env)).toBeUndefined();
  });

  it.skipIf(skipWithout('prometheus', 'finding the real Prometheus'))('is found as it is installed here', async () => {
    expect(await findMonitoring('prometheus')).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/) });
    if (isInstalled('prometheus-alertmanager')) expect(await findMonitoring('alertmanager')).toBeDefined();
  });

  it.each([
    ['opt/grafana/bin/grafana', 'grafana version 11.0.0', 'opt/grafana', ['server']],
    ['usr/bin/grafana-server', 'Version 9.5.2 (commit: abc, branch: HEAD)', 'usr/share/grafana', []],
  ])('%s: Grafana is found with its own files beside it', async (path, says, home, args) => {
    const whole = await program(path, says);
    await mkdir(join(here, home, 'conf'), { recursive: true });
    await writeFile(join(here, home, 'conf', 'defaults.ini'), '');
    expect((await findMonitoring('grafana', { PATH: dirname(whole) }))?.path).toBe(whole);
    expect(await grafanaHome(whole, {})).toBe(join(here, home));
    expect(grafanaServer(whole)).toEqual({ command: whole, args });
  });

  it('Grafana takes its own files from where GF_PATHS_HOME says', async () => {
    await mkdir(join(here, 'home', 'conf'), { recursive: true });
    await writeFile(join(here, 'home', 'conf', 'defaults.ini'), '');
    const path = await program('bin/grafana', 'grafana version 11.0.0');
    expect(await grafanaHome(path, { GF_PATHS_HOME: join(here, 'home') })).toBe(join(here, 'home'));
  });
});

describe('the configuration of a local cluster', () => {
  const places = { shennong: '127.0.0.1:21000', rules: '/cluster/rules.yaml', httpTokenFile: '/cluster/keys/http-token' };

  it('names the addresses of that cluster and nothing of the compose file', async () => {
    const config = await localPrometheusConfig({ ...places, alertmanager: '127.0.0.1:22000' });
    expect(parse(config)).toMatchObject({
      global: { scrape_interval: '5s', evaluation_interval: '5s' },
      rule_files: ['/cluster/rules.yaml'],
      alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:22000'] }] }] },
      scrape_configs: [
        {
          job_name: 'feitian',
          authorization: { type: 'Bearer', credentials_file: '/cluster/keys/http-token' },
          http_sd_configs: [
            {
              url: 'http://127.0.0.1:21000/sd',
              refresh_interval: '5s',
              authorization: { type: 'Bearer', credentials_file: '/cluster/keys/http-token' },
            },
          ],
        },
      ],
    });
    expect(parse(await localAlertmanagerConfig(places))).toMatchObject({
      route: { group_wait: '1s' },
      receivers: [
        {
          webhook_configs: [
            {
              url: 'http://127.0.0.1:21000/alerts',
              send_resolved: true,
              http_config: { authorization: { type: 'Bearer', credentials_file: '/cluster/keys/http-token' } },
            },
          ],
        },
      ],
    });
  });

  it('does without Alertmanager', async () => {
    expect(parse(await localPrometheusConfig(places))).not.toHaveProperty('alerting');
  });

  it.skipIf(skipWithout('promtool', 'the Prometheus configuration of a local cluster'))('is one that Prometheus takes', async () => {
    const path = join(here, 'prometheus.yml');
    const httpTokenFile = join(here, 'http-token');
    await writeFile(httpTokenFile, 'a token');
    const own = { httpTokenFile, rules: join(here, '*.rules') };
    await writeFile(path, await localPrometheusConfig({ ...places, ...own, alertmanager: '127.0.0.1:22000' }));
    await runProgram('promtool', ['check', 'config', path], { timeoutMs: 30_000 });
  });
});
