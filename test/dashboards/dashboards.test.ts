import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SETTINGS } from '../../dashboards/board.ts';
import { DASHBOARDS } from '../../dashboards/index.ts';
import { DATASOURCE, queriesOf } from '../../dashboards/panels.ts';
import { writeDashboards } from '../../dashboards/write.ts';
import { declaredNames, feitianNames } from './names.ts';

/** A dashboard as Grafana reads it. */
interface Drawn {
  uid: string;
  title: string;
  templating: { list: { name: string; type: string; query: string | { query: string } }[] };
  links: { title: string; url?: string }[];
  panels: {
    type: string;
    title: string;
    description?: string;
    datasource: object;
    targets: { expr: string; legendFormat?: string }[];
    fieldConfig: { defaults: { unit?: string; links?: { title: string; url: string }[] } };
    gridPos: { x: number; y: number; w: number; h: number };
  }[];
}

const NAMES = ['overview', 'nodes', 'pangu', 'fuxi', 'nuwa', 'kuafu', 'zhongkui', 'dayu', 'temporal'];

let out: string;
const drawn = new Map<string, Drawn>();

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'dashboards-'));
  const settings = { prometheusUrl: 'http://prometheus.test:9090', temporalUi: 'http://temporal.test:8233/', temporalNamespace: 'prod' };
  await writeDashboards(out, settings);
  for (const file of await readdir(join(out, 'dashboards'))) {
    const dashboard = JSON.parse(await readFile(join(out, 'dashboards', file), 'utf8')) as Drawn;
    drawn.set(dashboard.uid.replace('feitian-', ''), dashboard);
  }
});
afterAll(() => rm(out, { recursive: true, force: true }));

const panelsOf = ({ panels }: Drawn) => panels.filter(({ type }) => type !== 'row');

describe('dashboards', () => {
  it('are one for each part of Feitian, each with a file of its own', () => {
    expect([...drawn.keys()].sort()).toEqual([...NAMES].sort());
    for (const dashboard of drawn.values()) expect(panelsOf(dashboard).length, dashboard.title).toBeGreaterThan(8);
  });

  it('come with provisioning that points at them and at Prometheus', async () => {
    const provider = JSON.parse(await readFile(join(out, 'provisioning/dashboards/feitian.yaml'), 'utf8'));
    expect(provider.providers[0]).toMatchObject({ folder: 'Feitian', options: { path: join(out, 'dashboards') } });
    const source = JSON.parse(await readFile(join(out, 'provisioning/datasources/feitian.yaml'), 'utf8'));
    expect(source.datasources[0]).toMatchObject({ ...DATASOURCE, url: 'http://prometheus.test:9090' });
  });

  it('say in every panel what it shows, in which unit and from where', () => {
    for (const dashboard of drawn.values()) {
      const titles = panelsOf(dashboard).map(({ title }) => title);
      for (const panel of panelsOf(dashboard)) {
        const where = `${dashboard.title}: ${panel.title}`;
        expect(panel.description?.length, where).toBeGreaterThanOrEqual(15);
        expect(panel.description, where).toMatch(/[.)]$/);
        expect(panel.fieldConfig.defaults.unit, where).toBeTruthy();
        expect(panel.datasource, where).toEqual(DATASOURCE);
        expect(panel.targets.length, where).toBeGreaterThan(0);
        for (const target of panel.targets) expect(target.expr, where).toBeTruthy();
      }
      expect(new Set(titles).size, dashboard.title).toBe(titles.length);
    }
  });

  it('lay their panels beside and below each other, none over another', () => {
    for (const { title, panels } of drawn.values()) {
      const taken = new Set<string>();
      for (const { gridPos, title: panel } of panels) {
        expect(gridPos.x + gridPos.w, `${title}: ${panel}`).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect(taken.has(`${x} ${y}`), `${title}: ${panel} lies over another`).toBe(false);
            taken.add(`${x} ${y}`);
          }
      }
    }
  });

  it('ask only for metrics that a room declares', () => {
    const declared = declaredNames();
    const asked = DASHBOARDS.flatMap((build) => queriesOf(build(SETTINGS)).flatMap(({ expression }) => feitianNames(expression)));
    expect(asked.length).toBeGreaterThan(80);
    expect(asked.filter((name) => !declared.has(name))).toEqual([]);
  });

  it('show every metric that a room declares', () => {
    const texts = DASHBOARDS.flatMap((build) => queriesOf(build(SETTINGS)).map(({ expression }) => expression)).join('\n');
    const asked = new Set(feitianNames(texts));
    expect([...declaredNames()].filter((name) => !asked.has(name))).toEqual([]);
  });

  it('define every variable that their queries and links use', () => {
    for (const dashboard of drawn.values()) {
      const known = new Set(dashboard.templating.list.map(({ name }) => name));
      for (const [, braced, bare] of JSON.stringify(dashboard).matchAll(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g)) {
        const name = (braced ?? bare)!;
        if (!name.startsWith('__')) expect(known, `${dashboard.title}: $${name}`).toContain(name);
      }
    }
  });

  it('lead from what names a workflow to that workflow in the Web UI', () => {
    const dayu = drawn.get('dayu')!;
    const naming = dayu.panels.filter(({ targets }) =>
      targets.some(({ expr }) => expr.startsWith('max by (') && expr.includes('workflow_id')),
    );
    expect(naming.map(({ title }) => title)).toEqual(['Rollouts under way', 'Age of rollouts']);
    const values: Record<string, string> = { 'temporal_ui:raw': '', 'temporal_namespace:raw': '' };
    for (const { name, query } of dayu.templating.list) values[`${name}:raw`] = query as string;
    values['__field.labels.workflow_id'] = values['__data.fields["Workflow"]'] = 'rollout-web';
    for (const panel of naming) {
      const [link] = panel.fieldConfig.defaults.links!;
      expect(link!.url.replaceAll(/\$\{(.+?)\}/g, (_, name) => values[name] ?? `?${name}`)).toBe(
        'http://temporal.test:8233/namespaces/prod/workflows/rollout-web',
      );
    }
  });

  it('lead from the overview to the lists of workflows by type', () => {
    const urls = drawn.get('overview')!.links.flatMap(({ url }) => (url ? [decodeURIComponent(url)] : []));
    for (const type of ['fuxiJob', 'dayuRollout'])
      expect(urls.some((url) => url.endsWith(`/workflows?query=WorkflowType="${type}"`))).toBe(true);
  });
});
