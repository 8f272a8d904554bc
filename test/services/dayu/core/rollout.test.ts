import { describe, expect, it } from 'vitest';
import { describeProblems } from '../../../../services/base/problems.ts';
import { rolloutDetails } from '../../../../services/dayu/core/details.ts';
import { plan } from '../../../../services/dayu/core/planner.ts';
import { parseRollout } from '../../../../services/dayu/core/rollout.ts';
import { RolloutState } from '../../../../services/dayu/core/rollout-state.ts';
import { factsOf } from '../../../helpers/dayu-workflows.ts';

const minimal = { application: 'hello', version: '2.0.0' };
const problemsOf = (document: unknown): string[] => {
  const parsed = parseRollout(document);
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
};

describe('parseRollout', () => {
  it('fills in every default', () => {
    expect(parseRollout(minimal)).toEqual({
      ok: true,
      rollout: {
        ...minimal,
        user: 'default',
        canary: 1,
        waveSize: '50%',
        maxUnavailable: 1,
        gate: { healthyWithinMs: 30_000, bakeMs: 10_000 },
        approval: false,
        onFailure: 'rollback',
      },
    });
  });

  it.each([
    [{ ...minimal, waveSize: 0 }, ['waveSize: must be a whole number from 1, or "1%" to "100%"']],
    [{ ...minimal, maxUnavailable: '0%' }, ['maxUnavailable: must be a whole number from 1, or "1%" to "100%"']],
    [{ ...minimal, waveSize: '101%' }, ['waveSize: must be a whole number from 1, or "1%" to "100%"']],
    [{ ...minimal, targets: {} }, ['targets: must name "nodes", "racks" or both']],
    [{ ...minimal, targets: { nodes: ['a', 'b', 'a'] } }, ['targets.nodes[2]: names a a second time']],
    [{ ...minimal, approval: true, canary: 0 }, ['approval: is given after the canary, and "canary" is 0']],
    [{ ...minimal, gate: { bake: 3 } }, ['gate.bake: is not a known field here']],
  ])('refuses %j', (document, problems) => {
    expect(problemsOf(document)).toEqual(problems);
  });

  it('finds all problems at once, whatever it is given', () => {
    expect(problemsOf({ application: 'Hello!', version: '', canary: 1.5 }).map((each) => each.split(':')[0])).toEqual([
      'application',
      'version',
      'canary',
    ]);
    for (const nonsense of [undefined, null, 7, 'x', []]) expect(problemsOf(nonsense)).toHaveLength(1);
    expect(
      describeProblems([
        { path: '', message: 'is odd' },
        { path: 'a', message: 'is worse' },
      ]),
    ).toBe('2 problems: document: is odd; a: is worse');
  });
});

describe('RolloutState', () => {
  const parsed = parseRollout({ ...minimal, approval: true, maxUnavailable: 2 });
  if (!parsed.ok) throw new Error('unreachable');
  const facts = factsOf({ 'rack-a': ['n1', 'n2', 'n3'] }, { from: '1.0.0', to: '2.0.0' });
  const begun = (): RolloutState => {
    const state = new RolloutState(parsed.rollout, 0);
    state.planned(plan(parsed.rollout, facts));
    state.beginWave(1);
    state.enter('rolling', 0);
    return state;
  };

  it('takes no step that is not in its list', () => {
    const state = begun();
    expect(() => state.becomeHealthy('n1')).toThrow(/n1 does not go from pending to healthy/);
    state.becomeDeploying('n1');
    expect(() => state.becomeDeploying('n1')).toThrow(/from deploying to deploying/);
    expect(() => state.enter('waiting', 0)).toThrow(/from rolling to waiting/);
    state.enter('aborted', 5);
    expect(() => state.enter('rolling', 6)).toThrow(/from aborted to rolling/);
    expect(state.progress()).toMatchObject({ phase: 'aborted', finishedAtMs: 5 });
  });

  it('starts nothing once something of the wave failed, and first what failed once it is resumed', () => {
    const state = begun();
    state.becomeDeploying('n1');
    state.becomeHealthy('n1');
    state.beginWave(2);
    for (const node of ['n2', 'n3']) {
      expect(state.next(2)).toBe(node);
      state.becomeDeploying(node);
    }
    state.becomeFailed('n2', 'boom');
    expect(state.settled(2)).toBe(false);
    state.becomeHealthy('n3');
    expect(state.settled(2)).toBe(true);
    expect(state.next(2)).toBeUndefined();
    expect(state.gateFailure(2)).toBe('wave 2, n2: boom');
    expect(state.changed()).toEqual(['n2', 'n3', 'n1']);
    state.holdAt('boom');
    state.resume();
    expect(state.next(2)).toBe('n2');
  });

  it('may be asked only what makes sense', () => {
    const state = begun();
    expect(() => state.assertCanApprove()).toThrow(/nothing waits to be approved: the rollout is rolling/);
    expect(() => state.assertCanResume()).toThrow(/not paused/);
    state.pause();
    expect(state.phase).toBe('paused');
    expect(() => state.assertCanPause()).toThrow(/paused already/);
    state.stop({ kind: 'rollback', reason: 'asked to' });
    expect(() => state.assertCanStop()).toThrow(/being stopped: asked to/);
    state.enter('rollingBack', 0);
    expect(() => state.assertCanPause()).toThrow(/the rollout is rollingBack/);
  });

  it('wants approval between the last canary and the first wave, once', () => {
    const state = begun();
    expect([state.needsApproval(1), state.needsApproval(2)]).toEqual([true, false]);
    state.approve();
    expect(state.needsApproval(1)).toBe(false);
  });

  it('is drawn as waves and a table of nodes', () => {
    const state = begun();
    state.becomeDeploying('n1');
    state.becomeFailed('n1', 'StartFailed: web exited\nwith code 1');
    state.stop({ kind: 'gate', reason: state.gateFailure(1)! });
    state.enter('rollingBack', 0);
    state.becomeRollingBack('n1');
    expect(rolloutDetails(state.progress(), state.plan)).toBe(
      [
        '**hello 2.0.0**: rollingBack',
        '',
        '```',
        'canary n1: StartFailed: web exited',
        'with code 1',
        '```',
        '',
        '```',
        '▶ 1. canary, rack-a: n1',
        '     1 of 3 targets first, to see whether 2.0.0 is well before others get it',
        '  2. wave, rack-a: n2, n3',
        '     2 of 3 targets are left in rack-a; a wave has at most 2 nodes (50% of',
        '     3), all of one rack',
        '',
        'node  wave  from → to      state',
        'n1    1     1.0.0 → 2.0.0  rollingBack',
        'n2    2     1.0.0 → 2.0.0  pending',
        'n3    2     1.0.0 → 2.0.0  pending',
        '',
        'n1: StartFailed: web exited with code 1',
        '```',
      ].join('\n'),
    );
  });
});
