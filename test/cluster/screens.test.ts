import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, openCluster, progressOf, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { noBrowser, WebUi } from '../helpers/web-ui.ts';

if (noBrowser) console.warn(`screens are not looked at: ${noBrowser}`);

/** The Web UI in a real browser: what people see of jobs, not what was sent. */
describe.skipIf(noBrowser)('in the Temporal Web UI', () => {
  let test: TestCluster;
  let ui: WebUi;

  beforeAll(async () => {
    test = await openCluster({ nodes: 3 });
    await test.pangu.writeFile('/in/text', 'to be or not\nto be\n', { parents: true });
    ui = await WebUi.open(test.cluster.info.temporal.ui!);
  }, 120_000);
  afterAll(async () => {
    await ui?.close();
    await test?.stop();
  });

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
});

function job(name: string, map: string[], reduce: string[]) {
  return {
    name,
    user: 'alice',
    priority: 7,
    tasks: { map: { run: { command: map }, retry: { maxAttempts: 1 } }, reduce: { run: { command: reduce }, instances: 2 } },
    pipes: [
      { source: { filePattern: 'pangu://local/in/*' }, destination: { accessPoint: 'map:input' } },
      { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
      { source: { accessPoint: 'reduce:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
    ],
  };
}
