import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { releaseHello } from '../../infra/demo/hello-releases.ts';
import { failureOf, progressOf, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { noBrowser, WebUi } from '../helpers/web-ui.ts';

if (noBrowser) console.warn(`screens are not looked at: ${noBrowser}`);

/** The Web UI in a real browser: what people see of jobs, not what was sent. */
export const screensSuite = (cluster: () => TestCluster) =>
  describe.skipIf(noBrowser)('in the Temporal Web UI', () => {
    let test: TestCluster;
    let ui: WebUi;

    beforeAll(async () => {
      test = cluster();
      await test.pangu.writeFile('/shown/text', 'to be or not\nto be\n', { parents: true });
      ui = await WebUi.open(test.cluster.info.temporal.ui!);
      await releaseHello(test, '1.0.0');
      await releaseHello(test, '2.0.0', { GREETING: 'hello again' });
      await releaseHello(test, '3.0.0', { BEHAVIOUR: 'crash' });
      expect(await (await test.rollOut('1.0.0', {}, 'first')).result()).toMatchObject({ outcome: 'done' });
    }, 120_000);
    afterAll(() => ui?.close());

    it('a finished job shows its steps, its DAG with the table of tasks, and its search attributes', async () => {
      await resultOf(await test.submit(job('counted', ['sort'], ['uniq']), 'counted'));
      await ui.shows(
        'counted',
        'Timeline',
        'COMPLETED',
        'planJob • plan counted: inputs, splits, destinations',
        'map: 1 instance',
        'publishJob • publish pangu://local/out/counted',
      );
      await ui.shows(
        'counted',
        'User Metadata',
        'counted: done',
        'map ──▶ reduce',
        /task +done +running +failed/,
        /map +1\/1/,
        /reduce +2\/2/,
        'pangu://local/out/counted',
      );
      await ui.shows(
        'counted',
        'Search Attributes',
        '"FeitianJobName": "counted"',
        '"FeitianPhase": "done"',
        '"FeitianUser": "alice"',
        '"FeitianPriority": 7',
      );
    });

    it('the attempts of a task show with their numbers and nodes', async () => {
      await ui.shows('counted/map', 'Timeline', /runBatch • map .*node-/);
    });

    it('a running job shows how far it is', async () => {
      const handle = await test.submit(job('running', ['sh', '-c', 'sleep 60'], ['cat']), 'running');
      await expect.poll(async () => (await progressOf(handle)).tasks.map?.running ?? 0, { timeout: 30_000 }).toBe(1);
      await ui.shows('running', 'User Metadata', 'running: running', /map +0\/1 +1/);
      await ui.shows('running', 'Search Attributes', '"FeitianPhase": "running"');
      await handle.cancel();
      await handle.result().catch(() => {});
      await ui.shows('running', 'Search Attributes', 'CANCELED', '"FeitianPhase": "cancelled"');
    });

    it('a failed job shows why', async () => {
      const handle = await test.submit(job('failing', ['sh', '-c', 'echo no such table >&2; exit 3'], ['cat']), 'failing');
      expect(await failureOf(handle)).toMatchObject({ type: 'ProgramFailed' });
      await ui.shows('failing', 'Event History', 'FAILED', /exit code 3: no such table/);
      await ui.shows('failing', 'User Metadata', 'failing: failed', /exit code 3: no such table/);
    });

    it('a running rollout shows its waves, what each node runs, and that it waits for a person', async () => {
      const handle = await test.rollOut('2.0.0', { approval: true, user: 'alice' }, 'waiting');
      await ui.shows('waiting', 'Timeline', 'RUNNING', /deploy • .*canary.*node-1: 1\.0\.0 → 2\.0\.0/);
      await ui.shows('waiting', 'User Metadata', /hello 2\.0\.0.*waiting/, /node-1 +.*1\.0\.0.*2\.0\.0.*healthy/, /node-2 +.*pending/);
      await ui.shows(
        'waiting',
        'Search Attributes',
        '"FeitianApplication": "hello"',
        '"FeitianVersion": "2.0.0"',
        '"FeitianPhase": "waiting"',
        '"FeitianUser": "alice"',
      );
      await handle.executeUpdate('approve');
      expect(await handle.result()).toMatchObject({ outcome: 'done' });
      await ui.shows('waiting', 'User Metadata', /hello 2\.0\.0.*done/, /node-3 +.*healthy/);
    }, 90_000);

    it('one that rolled itself back shows what was wrong and what it went back to', async () => {
      const handle = await test.rollOut('3.0.0', {}, 'bad');
      expect(await failureOf(handle)).toMatchObject({ type: 'RolledBack' });
      await ui.shows('bad', 'Timeline', 'FAILED', /deploy • .*roll back, node-1: 3\.0\.0 → 2\.0\.0/);
      await ui.shows('bad', 'Event History', /hello 3\.0\.0 was rolled back: canary node-1: StartFailed/);
      await ui.shows('bad', 'User Metadata', /hello 3\.0\.0.*rolledBack/, /ended with exit code 3/, /node-1 +.*rolledBack/);
      await ui.shows('bad', 'Search Attributes', '"FeitianPhase": "rolledBack"', '"FeitianVersion": "3.0.0"');
    }, 90_000);
  });

function job(name: string, map: string[], reduce: string[]) {
  return {
    name,
    user: 'alice',
    priority: 7,
    tasks: { map: { run: { command: map }, retry: { maxAttempts: 1 } }, reduce: { run: { command: reduce }, instances: 2 } },
    pipes: [
      { source: { filePattern: 'pangu://local/shown/*' }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}
