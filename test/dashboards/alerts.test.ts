import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runbookOf } from '../../dashboards/alerts/alert.ts';
import { ALERT_GROUPS } from '../../dashboards/alerts/index.ts';
import { RUNBOOKS, writeRules } from '../../dashboards/rules.ts';
import { runProgram } from '../../infra/setup/run-program.ts';
import { skipWithout } from '../helpers/programs.ts';
import { ALERT_CASES, type AlertCase } from './alert-cases.ts';
import { declaredNames, feitianNames } from './names.ts';

const ALERTS = ALERT_GROUPS.flatMap(({ alerts }) => alerts);
const PROMTOOL_MS_MAX = 30_000;

let dir: string;
let rules: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'alerts-'));
  rules = await writeRules(join(dir, 'rules.yaml'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('alerts', () => {
  it('each have a page that begins with their name, and every page has its alert', async () => {
    const folder = fileURLToPath(RUNBOOKS);
    const pages = (await readdir(folder)).filter((file) => file !== 'README.md');
    expect(pages.sort()).toEqual(ALERTS.map(({ name }) => runbookOf(name)).sort());
    const list = await readFile(join(folder, 'README.md'), 'utf8');
    for (const { name, severity } of ALERTS) {
      expect(await readFile(join(folder, runbookOf(name)), 'utf8')).toMatch(new RegExp(`^# ${name}\n`));
      expect(list).toMatch(new RegExp(`\\[${name}\\]\\(${runbookOf(name)}\\)\\s*\\| ${severity}`));
    }
  });

  it('lead to their page: of this checkout, or where it is served', async () => {
    const urlsIn = async (path: string): Promise<string[]> => {
      const { groups } = JSON.parse(await readFile(path, 'utf8')) as { groups: { rules: { annotations: { runbook_url: string } }[] }[] };
      return groups.flatMap((group) => group.rules.map(({ annotations }) => annotations.runbook_url));
    };
    for (const url of await urlsIn(rules)) expect((await readFile(new URL(url), 'utf8')).length).toBeGreaterThan(200);
    const elsewhere = await writeRules(join(dir, 'elsewhere.yaml'), 'https://wiki.test/feitian/');
    expect(await urlsIn(elsewhere)).toContain('https://wiki.test/feitian/node-down.md');
  });

  it('go by metrics that a room declares', () => {
    const declared = declaredNames();
    const asked = ALERTS.flatMap(({ expression }) => feitianNames(expression));
    expect(asked.filter((name) => !declared.has(name))).toEqual([]);
    expect(asked.length).toBeGreaterThanOrEqual(ALERTS.length - 1);
  });

  it('are each played through: firing, and silent', () => {
    for (const { name } of ALERTS) {
      const ofAlert = ALERT_CASES.filter(({ alert }) => alert === name);
      expect(
        ofAlert.some(({ fires }) => fires.length > 0),
        `${name} fires`,
      ).toBe(true);
      expect(
        ofAlert.some(({ fires }) => fires.length === 0),
        `${name} is silent`,
      ).toBe(true);
    }
  });
});

describe.skipIf(skipWithout('promtool', 'the alert rules'))('alert rules, as Prometheus takes them', () => {
  it('are valid', async () => {
    const { stdout } = await runProgram('promtool', ['check', 'rules', rules], { timeoutMs: PROMTOOL_MS_MAX });
    expect(stdout).toContain(`SUCCESS: ${ALERTS.length} rules found`);
  });

  it.each(ALERT_CASES.map((each) => [`${each.alert} ${each.title}`, each] as const))('%s', async (_, each) => {
    const file = join(dir, `${each.alert}-${ALERT_CASES.indexOf(each)}.yaml`);
    await writeFile(file, JSON.stringify(unitTest(each)));
    await runProgram('promtool', ['test', 'rules', file], { timeoutMs: PROMTOOL_MS_MAX });
  });

  it('are told apart from wrong expectations', async () => {
    const wrong = { ...ALERT_CASES[0]!, fires: [] };
    const file = join(dir, 'wrong.yaml');
    await writeFile(file, JSON.stringify(unitTest(wrong)));
    await expect(runProgram('promtool', ['test', 'rules', file], { timeoutMs: PROMTOOL_MS_MAX })).rejects.toThrow();
  });
});

/** A file of unit tests as promtool reads it. */
function unitTest({ alert, series, at, fires }: AlertCase): object {
  const { severity } = ALERTS.find((each) => each.name === alert)!;
  return {
    rule_files: [rules],
    evaluation_interval: '15s',
    tests: [
      {
        interval: '15s',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        // Not an alert_rule_test, which would want the annotations word for word.
        promql_expr_test: [
          {
            expr: `ALERTS{alertname="${alert}", alertstate="firing"}`,
            eval_time: at,
            exp_samples: fires.map((labels) => ({
              labels: `ALERTS{${Object.entries({ alertname: alert, alertstate: 'firing', severity, ...labels })
                .map(([label, value]) => `${label}="${value}"`)
                .join(', ')}}`,
              value: 1,
            })),
          },
        ],
      },
    ],
  };
}
