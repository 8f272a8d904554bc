import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALERT_GROUPS } from '../../dashboards/alerts/index.ts';
import { SETTINGS } from '../../dashboards/board.ts';
import { DASHBOARDS } from '../../dashboards/index.ts';
import { queriesOf } from '../../dashboards/panels.ts';
import { deleteClusterData } from '../../infra/cluster/launch.ts';
import { releaseHello } from '../../infra/demo/hello-releases.ts';
import { failureOf, openCluster, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { isInstalled, skipWithout } from '../helpers/programs.ts';
import { ask, rulesOf, substituted } from '../helpers/prometheus.ts';
import { leftOf, newPlace, recordOf } from '../infra/cluster-places.ts';
import { feitian } from '../infra/feitian.ts';
import { QUIET_QUERIES, type Quiet } from './quiet-queries.ts';

/**
 * A real Prometheus on a running cluster: every query of every panel and every rule is put to it while jobs run. What a dashboard asks for and
 * nobody tells would be an empty panel, which no other test sees.
 */
const HAS_ALERTMANAGER = isInstalled('prometheus-alertmanager') || !skipWithout('alertmanager', 'alerts as records');

/** A job over a file of words, and one whose program fails each time. */
function job(name: string, map: string) {
  return {
    name,
    tasks: {
      map: { run: { command: ['sh', '-c', map] }, retry: { maxAttempts: 2 } },
      reduce: { run: { command: ['cut', '-f1'] }, instances: 2 },
    },
    pipes: [
      { source: { filePattern: 'pangu://local/in/*', splitBytes: 200_000 }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}

describe.skipIf(skipWithout('prometheus', 'dashboards and alerts on a running cluster'))('a cluster that is watched', () => {
  let dir: string;
  let test: TestCluster;
  let prometheus: string;
  /** Jobs go on as long as it is looked at, so that rates of a minute have something to show. */
  const over = new AbortController();
  let working: Promise<void>;
  let underWay: WorkflowHandle;

  beforeAll(async () => {
    dir = await newPlace();
    test = await openCluster({ dir, nodes: 3, nuwaServers: 3, monitoring: true, together: false });
    prometheus = test.cluster.info.prometheus!;
    await test.pangu.writeFile('/in/words', Buffer.from('to be or not to be\n'.repeat(20_000)), { parents: true });
    const failing = await test.submit(job('failing', 'cat >/dev/null; exit 3'));
    expect((await failureOf(failing)).message).toContain('exit code 3');
    working = keepWorking();
    await releaseHello(test, '1.0.0');
    await releaseHello(test, '2.0.0', { GREETING: 'hello again' });
    await (await test.rollOut('1.0.0')).result();
    // Stays under way: it waits for a person.
    underWay = await test.rollOut('2.0.0', { approval: true });
  }, 180_000);

  async function keepWorking(): Promise<void> {
    for (let n = 0; !over.signal.aborted; n++) {
      await resultOf(await test.submit(job(`work-${n}`, 'tr -s " " "\\n"')));
      await delay(3_000, undefined, { signal: over.signal }).catch(() => {});
    }
  }

  afterAll(async () => {
    over.abort();
    await working;
    await test.stop();
    await deleteClusterData(dir);
  }, 120_000);

  it('tells where its Prometheus answers, in cluster.json and to people', async () => {
    expect(prometheus).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await feitian(['status', '--dir', dir])).stdout).toMatch(new RegExp(`^Prometheus +${prometheus}$`, 'm'));
    if (HAS_ALERTMANAGER) expect(test.cluster.info.alertmanager).toMatch(/^http:/);
  });

  it('has every process scraped, with its role and node', async () => {
    const { processes } = test.cluster.info;
    const others = ['postgres', 'prometheus', 'alertmanager', 'grafana'];
    const wanted = processes.filter(({ role }) => !others.includes(role)).map(({ role, node }) => `${role} ${node ?? ''}`);
    const up = async () => (await ask(prometheus, 'up == 1')).map(({ metric }) => `${metric.role} ${metric.node ?? ''}`).sort();
    await expect.poll(up, { timeout: 60_000, interval: 500 }).toEqual(wanted.sort());
  }, 90_000);

  it('gives data to every query of every dashboard, but those that are listed with a reason', async () => {
    const all = DASHBOARDS.flatMap((build) => {
      const { title, ...dashboard } = build(SETTINGS);
      return queriesOf({ title, ...dashboard }).map((query) => ({ ...query, dashboard: title!.replace('Feitian / ', '') }));
    });
    const coveredBy = (quiet: Quiet) => all.filter((each) => isCovered(each, quiet));
    expect(QUIET_QUERIES.filter((quiet) => coveredBy(quiet).length === 0)).toEqual([]);
    const mayBeEmpty = new Set(QUIET_QUERIES.flatMap(coveredBy));
    const empty = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const each of all) {
        const expression = substituted(each.expression);
        await ask(prometheus, expression);
        // A stat that says 0 where there is nothing must still have something to say it of.
        const samples = await ask(prometheus, expression.replaceAll(' or vector(0)', ''));
        if (samples.length === 0 && !mayBeEmpty.has(each)) found.push(`${each.dashboard}, ${each.panel}: ${expression}`);
      }
      return found;
    };
    await expect.poll(empty, { timeout: 90_000, interval: 2_000 }).toEqual([]);
  }, 120_000);

  it('gives values to every choice of a dashboard', async () => {
    for (const build of DASHBOARDS) {
      for (const { name, type, definition } of build(SETTINGS).templating.list ?? []) {
        const metric = /^label_values\((\w+), /.exec(definition ?? '')?.[1];
        if (type !== 'query') continue;
        expect(await ask(prometheus, `count by (${name}) (${metric})`), `$${name}`).not.toEqual([]);
      }
    }
  });

  it('has every rule evaluated without an error, over metrics that are there', async () => {
    const alerts = ALERT_GROUPS.flatMap((group) => group.alerts);
    const rules = await rulesOf(prometheus);
    expect(rules.map(({ name }) => name).sort()).toEqual(alerts.map(({ name }) => name).sort());
    await expect.poll(async () => (await rulesOf(prometheus)).filter(({ health }) => health !== 'ok'), { timeout: 30_000 }).toEqual([]);
    for (const { name, expression } of alerts) {
      await ask(prometheus, expression);
      for (const [selector] of expression.matchAll(/\b(feitian_\w+|up)\b(\{[^}]*\})?/g)) {
        expect((await ask(prometheus, selector)).length, `${name} goes by ${selector}`).toBeGreaterThan(0);
      }
    }
  }, 60_000);

  it('fires an alert for the job that failed', async () => {
    const state = async () => (await rulesOf(prometheus)).find(({ name }) => name === 'JobFailing')?.state;
    await expect.poll(state, { timeout: 30_000 }).toBe('firing');
  }, 60_000);

  it('goes on with what it has measured after Prometheus was killed', async () => {
    const before = Date.now() / 1000;
    const { pid } = await test.cluster.kill('prometheus');
    await test.cluster.awaitRestart('prometheus', undefined, pid!);
    const past = await ask(prometheus, `count(up @ ${before.toFixed(0)})`);
    expect(Number(past[0]?.value[1])).toBeGreaterThan(5);
  }, 60_000);

  it.skipIf(!HAS_ALERTMANAGER)(
    'records that a node went down, and that it came back',
    async () => {
      const eventsOfNode = async (): Promise<string[]> => {
        const { stdout } = await feitian(['events', '--dir', dir, '--json']);
        const { events } = JSON.parse(stdout) as { events: { alert: string; node?: string; state: string }[] };
        return events.filter(({ alert, node }) => alert === 'NodeDown' && node === 'node-2').map(({ state }) => state);
      };
      await test.cluster.holdNode('node-2');
      await expect.poll(eventsOfNode, { timeout: 90_000, interval: 1_000 }).toEqual(['firing']);
      await test.cluster.releaseNode('node-2');
      await expect.poll(eventsOfNode, { timeout: 90_000, interval: 1_000 }).toEqual(['resolved']);
    },
    240_000,
  );

  it('leaves no process, no port and no file that says it is up', async () => {
    await underWay.executeUpdate('abort');
    await underWay.result();
    over.abort();
    await working;
    const record = await recordOf(dir);
    expect(record.processes.map(({ name }) => name)).toContain('prometheus');
    await test.stop();
    expect(await leftOf(dir, record)).toEqual([]);
  }, 60_000);
});

function isCovered(query: { dashboard: string; panel: string; expression: string }, quiet: Quiet): boolean {
  return query.dashboard === quiet.dashboard && query.panel === quiet.panel && query.expression.includes(quiet.with ?? '');
}
