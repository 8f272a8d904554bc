import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DASHBOARDS, writeDashboards } from '../../dashboards/main.ts';
import { DATASOURCE } from '../../dashboards/panels.ts';

describe('dashboards', () => {
  let out: string;
  afterEach(() => rm(out, { recursive: true, force: true }));

  it('are written with provisioning that points at them', async () => {
    out = await mkdtemp(join(tmpdir(), 'dashboards-'));
    const written = await writeDashboards(out, 'http://prometheus.test:9090');
    expect(written).toHaveLength(DASHBOARDS.length + 2);
    const provider = JSON.parse(await readFile(join(out, 'provisioning/dashboards/feitian.yaml'), 'utf8'));
    expect(provider.providers[0].options.path).toBe(join(out, 'dashboards'));
    const source = JSON.parse(await readFile(join(out, 'provisioning/datasources/feitian.yaml'), 'utf8'));
    expect(source.datasources[0]).toMatchObject({ ...DATASOURCE, url: 'http://prometheus.test:9090' });
  });

  it('say in every panel what it shows, in which unit and from where', async () => {
    out = await mkdtemp(join(tmpdir(), 'dashboards-'));
    await writeDashboards(out, 'http://127.0.0.1:9090');
    for (const build of DASHBOARDS) {
      const { uid } = build();
      const dashboard = JSON.parse(await readFile(join(out, 'dashboards', `${uid}.json`), 'utf8'));
      expect(dashboard.panels.length).toBeGreaterThan(0);
      for (const panel of dashboard.panels) {
        expect(panel.description?.length, panel.title).toBeGreaterThan(20);
        expect(panel.fieldConfig.defaults.unit, panel.title).toBeTruthy();
        expect(panel.datasource, panel.title).toEqual(DATASOURCE);
        for (const target of panel.targets) expect(target.expr, panel.title).toBeTruthy();
      }
    }
  });
});
