import { describe, expect, test } from 'vitest';
import { groupTable, type ServerAnswer, viewAsJson, viewOf } from '../../infra/cli/ui/nuwa-group.ts';
import type { ServerStatus } from '../../services/nuwa/contract.ts';

const MEMBERS = ['nuwa-1', 'nuwa-2', 'nuwa-3'].map((id) => ({ id, address: `tcp://${id}:7`, role: 'voter' as const }));

const statusOf = (id: string, more: Partial<ServerStatus> = {}): ServerStatus => ({
  id,
  role: 'follower',
  term: 4,
  leader: 'nuwa-1',
  lastIndex: 100,
  commitIndex: 100,
  appliedIndex: 100,
  snapshotIndex: 0,
  revision: 90,
  sessions: 2,
  watches: 1,
  nodes: 30,
  logBytes: 2_048,
  writable: true,
  members: MEMBERS,
  progress: [],
  problems: [],
  uptimeMs: 65_000,
  ...more,
});
const answerOf = (id: string, more: Partial<ServerStatus> = {}): ServerAnswer => ({ address: `tcp://${id}:7`, status: statusOf(id, more) });
const LEADER = answerOf('nuwa-1', {
  role: 'leader',
  progress: [
    { id: 'nuwa-2', matchIndex: 100, state: 'replicate', active: true },
    { id: 'nuwa-3', matchIndex: 40, state: 'probe', active: false },
  ],
});
const states = (answers: ServerAnswer[]) => viewOf(answers).servers.map(({ id, state, lag }) => [id, state, lag]);

describe('a group', () => {
  test('is led by who says so, and the others lag by what they have not applied', () => {
    const view = viewOf([answerOf('nuwa-3', { appliedIndex: 93 }), LEADER, answerOf('nuwa-2')]);
    expect(view).toMatchObject({ leader: 'nuwa-1', term: 4 });
    expect(view.servers.map(({ id, state, lag }) => [id, state, lag])).toEqual([
      ['nuwa-1', 'leader', 0],
      ['nuwa-2', 'follower', 0],
      ['nuwa-3', 'follower', 7],
    ]);
  });

  test('has members that do not answer, of which the leader knows how far they were', () => {
    expect(states([LEADER, answerOf('nuwa-2'), { address: 'tcp://nuwa-3:7', problem: 'no connection' }])).toEqual([
      ['nuwa-1', 'leader', 0],
      ['nuwa-2', 'follower', 0],
      ['nuwa-3', 'silent', 60],
    ]);
  });

  test('believes the leader of the highest term, where one that was cut off thinks it leads', () => {
    const old = answerOf('nuwa-2', { role: 'leader', term: 3, lastIndex: 500, commitIndex: 400 });
    expect(viewOf([old, LEADER])).toMatchObject({ leader: 'nuwa-1', term: 4 });
  });

  test('has no leader while nobody leads, and then nobody lags', () => {
    const view = viewOf([answerOf('nuwa-2', { role: 'candidate', term: 6, leader: undefined }), answerOf('nuwa-3')]);
    expect(view).toMatchObject({ term: 6 });
    expect(view.leader).toBeUndefined();
    expect(view.servers.map(({ id, state, lag }) => [id, state, lag])).toEqual([
      ['nuwa-1', 'silent', undefined],
      ['nuwa-2', 'candidate', undefined],
      ['nuwa-3', 'follower', undefined],
    ]);
    expect(viewAsJson(view)).toMatchObject({ leader: null });
  });

  test('tells learners and servers that are not in it from its voters', () => {
    const members = [...MEMBERS.slice(0, 2), { id: 'nuwa-4', address: 'tcp://nuwa-4:7', role: 'learner' as const }];
    const leader = answerOf('nuwa-1', { role: 'leader', members });
    expect(states([leader, answerOf('nuwa-2'), answerOf('nuwa-3'), answerOf('nuwa-4')])).toEqual([
      ['nuwa-1', 'leader', 0],
      ['nuwa-2', 'follower', 0],
      ['nuwa-3', 'outsider', undefined],
      ['nuwa-4', 'learner', 0],
    ]);
  });

  test('of which nobody answers is a list of addresses with reasons', () => {
    const view = viewOf([{ address: 'tcp://a:1', problem: 'no connection' }]);
    expect(view).toEqual({ term: 0, servers: [{ id: 'tcp://a:1', address: 'tcp://a:1', state: 'silent', problem: 'no connection' }] });
  });

  test('is a table for people, in which who cannot write stands out', () => {
    const table = groupTable(viewOf([LEADER, answerOf('nuwa-2', { writable: false, zookeeper: 'h:2181' })]));
    expect(table).toMatch(/^nuwa-1 +leader +4 +0 +2 +1 +30 +2(\.0+)? KiB +1 min 05 s +nuwa-1:7 +-$/m);
    expect(table).toMatch(/^nuwa-2 +follower, cannot write .* h:2181$/m);
    expect(table).toMatch(/^nuwa-3 +no answer +- +60 +-/m);
  });
});
