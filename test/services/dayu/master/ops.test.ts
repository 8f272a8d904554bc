import { sql } from 'drizzle-orm';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { rows } from '../../../../services/base/database.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { application } from '../../../../services/dayu/master/ops/application.ts';
import { applications } from '../../../../services/dayu/master/ops/applications.ts';
import { beginRollout } from '../../../../services/dayu/master/ops/begin-rollout.ts';
import { configure } from '../../../../services/dayu/master/ops/configure.ts';
import { endRollout } from '../../../../services/dayu/master/ops/end-rollout.ts';
import { history } from '../../../../services/dayu/master/ops/history.ts';
import { place } from '../../../../services/dayu/master/ops/place.ts';
import { registerRelease } from '../../../../services/dayu/master/ops/register-release.ts';
import { tellMetrics } from '../../../../services/dayu/master/tell-metrics.ts';
import { descriptorOf, digestOf, rolloutOf, type TestMaster, withMaster } from './master-under-test.ts';

let master: TestMaster;
let runs = 0;
beforeAll(async () => {
  master = await withMaster();
});
afterAll(() => master?.stop());

const withCode = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message ? { message: expect.stringMatching(message) } : {}) });
/** A workflow run that Temporal knows as running. */
const newRun = () => {
  const run = { workflowId: `rollout-${++runs}`, runId: `run-${runs}` };
  master.running.add(run.runId);
  return run;
};
const begin = (run: { workflowId: string; runId: string }, app: string, version: string, more: object = {}) =>
  beginRollout(master.context, { ...run, rollout: rolloutOf(app, version, more) });
const end = (run: { workflowId: string; runId: string }, state: 'done' | 'rolledBack' = 'done', reason = '') =>
  endRollout(master.context, { ...run, state, reason });
const putOn = (run: { workflowId: string; runId: string }, app: string, node: string, version: string | undefined, configuration = 0) =>
  place(master.context, { ...run, application: app, node, version, configuration, settled: true, why: `${run.workflowId}, canary 1/1` });

describe('registerRelease', () => {
  it('makes the application with its first release; registered again it is a no-op', async () => {
    const digest = digestOf('reg', '1');
    master.packages.set(digest, 7);
    const request = { descriptor: descriptorOf('reg', '1.0.0'), digest, bytes: 7 };
    const both = await Promise.all([registerRelease(master.context, request), registerRelease(master.context, request)]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    expect(both[0]!.release).toEqual(both[1]!.release);
    expect(await application(master.context, { application: 'reg' })).toMatchObject({
      releases: [{ version: '1.0.0', digest, bytes: 7, descriptor: { roles: { web: { stopGraceMs: 10_000 } } } }],
      configuration: { version: 0, values: {} },
      placements: [],
    });
  });

  it('refuses another content under a version that is there, a bad descriptor, and what is not whole in Pangu', async () => {
    await master.release('reg2', '1.0.0');
    const other = digestOf('other');
    master.packages.set(other, 8);
    const descriptor = descriptorOf('reg2', '1.0.0');
    await expect(registerRelease(master.context, { descriptor, digest: other, bytes: 8 })).rejects.toEqual(withCode('VersionExists'));
    await expect(registerRelease(master.context, { descriptor, digest: other, bytes: 9 })).rejects.toEqual(
      withCode('BadPackage', /8 bytes in Pangu, not 9/),
    );
    await expect(registerRelease(master.context, { descriptor, digest: digestOf('nowhere'), bytes: 9 })).rejects.toEqual(
      withCode('BadPackage'),
    );
    await expect(registerRelease(master.context, { descriptor: { name: 'X', version: '1' }, digest: other, bytes: 8 })).rejects.toEqual(
      expect.objectContaining({
        code: 'InvalidDescriptor',
        details: { problems: expect.arrayContaining([expect.objectContaining({ path: 'roles' })]) },
      }),
    );
    expect((await applications(master.context)).applications.map((each) => each.application)).not.toContain('X');
  });
});

describe('configure', () => {
  it('makes a version of each change, and none where nothing changes', async () => {
    await master.release('conf', '1.0.0');
    const set = (values: Record<string, string | null>) => configure(master.context, { application: 'conf', values, user: 'alice' });
    expect(await set({ A: '1', B: '2' })).toEqual({ version: 1, values: { A: '1', B: '2' } });
    expect(await set({ A: '1' })).toEqual({ version: 1, values: { A: '1', B: '2' } });
    expect(await set({ A: null, C: '3' })).toEqual({ version: 2, values: { B: '2', C: '3' } });
    const many = await Promise.all(Array.from({ length: 6 }, (_, i) => set({ [`D${i}`]: 'x' })));
    expect(many.map(({ version }) => version).sort()).toEqual([3, 4, 5, 6, 7, 8]);
    expect(Object.keys((await application(master.context, { application: 'conf' })).configuration.values)).toHaveLength(8);
    await expect(configure(master.context, { application: 'none', values: {}, user: 'x' })).rejects.toEqual(withCode('UnknownApplication'));
  });
});

describe('beginRollout', () => {
  it('tells the facts: nodes, what they run, and what they would go back to', async () => {
    await master.release('facts', '1.0.0');
    await master.release('facts', '2.0.0');
    await configure(master.context, { application: 'facts', values: { A: '1' }, user: 'x' });
    const first = newRun();
    await begin(first, 'facts', '1.0.0');
    await putOn(first, 'facts', 'node-1', '1.0.0', 1);
    await end(first);
    await configure(master.context, { application: 'facts', values: { A: '2' }, user: 'x' });
    const facts = await begin(newRun(), 'facts', '2.0.0');
    expect(facts).toMatchObject({
      nodes: master.nodes,
      placements: [{ node: 'node-1', version: '1.0.0', configuration: 1, why: `${first.workflowId}, canary 1/1` }],
      deployment: { release: { version: '2.0.0' }, configuration: { version: 2, values: { A: '2' } } },
      earlier: [{ release: { version: '1.0.0' }, configuration: { version: 1, values: { A: '1' } } }],
    });
  });

  it('answers the same run the same, whatever changed meanwhile', async () => {
    await master.release('again', '1.0.0');
    const run = newRun();
    const first = await begin(run, 'again', '1.0.0');
    const nodes = master.nodes;
    master.nodes = nodes.slice(1);
    await configure(master.context, { application: 'again', values: { A: '1' }, user: 'x' });
    expect(await begin(run, 'again', '1.0.0')).toEqual(first);
    master.nodes = nodes;
    await end(run);
    await expect(begin(run, 'again', '1.0.0')).rejects.toEqual(withCode('RolloutInProgress', /ended as done already/));
  });

  it('lets one of many in', async () => {
    await master.release('many', '1.0.0');
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => begin(newRun(), 'many', '1.0.0')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toEqual(withCode('RolloutInProgress', /rolls out many 1\.0\.0/));
    const other = await begin(newRun(), 'facts', '2.0.0').catch((error) => error);
    expect(other).toEqual(withCode('RolloutInProgress')); // held since the first test; of another application nobody is in the way
    await master.release('another', '1.0.0');
    await begin(newRun(), 'another', '1.0.0');
  });

  it('puts a holder aside that Temporal no longer knows as running', async () => {
    await master.release('stale', '1.0.0');
    const dead = newRun();
    await begin(dead, 'stale', '1.0.0');
    master.running.delete(dead.runId);
    const [next, last] = [newRun(), newRun()];
    const both = await Promise.allSettled([begin(next, 'stale', '1.0.0'), begin(last, 'stale', '1.0.0')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const { entries } = await history(master.context, { application: 'stale', limit: 10 });
    expect(entries.filter(({ outcome }) => outcome)).toEqual([
      expect.objectContaining({ workflowId: dead.workflowId, outcome: 'failed', text: expect.stringContaining('without a word') }),
    ]);
    // Its last words come too late.
    await expect(putOn(dead, 'stale', 'node-1', '1.0.0')).rejects.toEqual(withCode('RolloutInProgress'));
    await end(dead);
    expect((await application(master.context, { application: 'stale' })).rollout).toMatchObject({ state: 'running' });
  });

  it('waits for Temporal to answer rather than to guess', async () => {
    await master.release('mute', '1.0.0');
    await begin(newRun(), 'mute', '1.0.0');
    const context = { ...master.context, workflows: { isRunning: () => Promise.reject(new Error('no connection')) } };
    await expect(beginRollout(context, { ...newRun(), rollout: rolloutOf('mute', '1.0.0') })).rejects.toEqual(
      withCode('Unavailable', /no connection/),
    );
  });

  it('refuses what is not there, and takes nothing', async () => {
    await master.release('picky', '1.0.0');
    const run = newRun();
    await expect(begin(run, 'nothing', '1.0.0')).rejects.toEqual(withCode('UnknownApplication'));
    await expect(begin(run, 'picky', '3.0.0')).rejects.toEqual(
      expect.objectContaining({
        code: 'UnknownVersion',
        details: { versions: ['1.0.0'] },
        message: expect.stringContaining('there are 1.0.0'),
      }),
    );
    await expect(begin(run, 'picky', '1.0.0', { targets: { nodes: ['node-9'] } })).rejects.toEqual(
      withCode('UnknownNode', /node-9 is not there/),
    );
    expect((await application(master.context, { application: 'picky' })).rollout).toBeUndefined();
    await begin(newRun(), 'picky', '1.0.0');
  });
});

describe('place and endRollout', () => {
  it('keep what runs where since when and why, and say it once', async () => {
    await master.release('put', '1.0.0');
    const run = newRun();
    await begin(run, 'put', '1.0.0');
    await putOn(run, 'put', 'node-1', '1.0.0');
    const before = await application(master.context, { application: 'put' });
    await putOn(run, 'put', 'node-1', '1.0.0');
    await Promise.all([putOn(run, 'put', 'node-2', '1.0.0'), putOn(run, 'put', 'node-2', '1.0.0')]);
    expect((await application(master.context, { application: 'put' })).placements[0]).toEqual(before.placements[0]);
    await putOn(run, 'put', 'node-1', undefined);
    await putOn(run, 'put', 'node-1', undefined);
    await Promise.all([
      end(run, 'rolledBack', 'canary node-1: StartFailed: boom'),
      end(run, 'rolledBack', 'canary node-1: StartFailed: boom'),
    ]);
    expect(await application(master.context, { application: 'put' })).toMatchObject({
      placements: [{ node: 'node-2' }],
      rollout: { state: 'rolledBack', reason: 'canary node-1: StartFailed: boom', endedAtMs: expect.any(Number) },
    });
    const { entries } = await history(master.context, { application: 'put', limit: 10 });
    expect(entries.map(({ kind, text }) => [kind, text])).toEqual([
      ['rollout', 'rollout of 1.0.0 ended: rolledBack: canary node-1: StartFailed: boom'],
      ['placement', expect.stringMatching(/^node-1: nothing: /)],
      ['placement', expect.stringMatching(/^node-2: 1.0.0, configuration 0: rollout-/)],
      ['placement', expect.stringMatching(/^node-1: 1.0.0/)],
      ['rollout', 'rollout of 1.0.0 by default began'],
      ['release', expect.stringContaining('1.0.0 was registered')],
    ]);
    expect((await history(master.context, { application: 'put', limit: 2 })).entries).toEqual(entries.slice(0, 2));
  });

  it('belong to the run that holds the application; when none does, whoever moves a node may place it', async () => {
    await master.release('own', '1.0.0');
    const [holder, stranger] = [newRun(), newRun()];
    await begin(holder, 'own', '1.0.0');
    await expect(putOn(stranger, 'own', 'node-1', '1.0.0')).rejects.toEqual(withCode('RolloutInProgress'));
    await end(stranger);
    await end(holder);
    await expect(putOn(holder, 'own', 'node-1', '1.0.0')).rejects.toEqual(withCode('RolloutInProgress', /holds own no more/));
    await expect(putOn(stranger, 'own', 'node-1', '7')).rejects.toEqual(withCode('UnknownVersion'));
    await putOn(stranger, 'own', 'node-1', '1.0.0');
  });
});

describe('the tables', () => {
  it('hold at most one running rollout of an application, whoever writes', async () => {
    await master.release('lock', '1.0.0');
    await begin(newRun(), 'lock', '1.0.0');
    const insert = sql`insert into dayu.rollouts (workflow_id, run_id, application, version, "user", state, document, facts)
      values ('w', 'r', 'lock', '1.0.0', 'x', 'running', '{}', '{}')`;
    await expect(master.context.db.execute(insert)).rejects.toThrow();
    expect(await rows(master.context.db, sql`select 1 from dayu.rollouts where application = 'lock'`)).toHaveLength(1);
  });
});

describe('the metrics', () => {
  it('tell placements and the age of rollouts under way when they are asked for', async () => {
    await master.release('metered', '1.0.0');
    const run = newRun();
    await begin(run, 'metered', '1.0.0');
    await putOn(run, 'metered', 'node-1', '1.0.0');
    const registry = new Registry();
    tellMetrics({ db: master.context.db, clock: systemClock, log: silentLogger, registry });
    expect(await registry.metrics()).toContain('feitian_dayu_placements{application="metered",version="1.0.0",node="node-1"} 1');
    expect(await registry.metrics()).toMatch(
      new RegExp(`feitian_dayu_rollout_age_seconds\\{application="metered",version="1.0.0",workflow_id="${run.workflowId}"\\} \\d`),
    );
    await putOn(run, 'metered', 'node-1', undefined);
    await end(run);
    expect(await registry.metrics()).not.toContain('metered');
  });
});
