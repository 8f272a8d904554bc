import { describe, expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../../../../services/nuwa/core/member/batch.ts';
import { applyBatch } from '../../../../../services/nuwa/core/tree/apply.ts';
import type { Command, Reply } from '../../../../../services/nuwa/core/tree/command.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, nodeAt } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes } from './script.ts';

describe('a session that is on one connection at a time', () => {
  let state = newState();
  /** As it goes through the log and a snapshot. */
  const apply = (command: Command): Reply => {
    const { commands } = decodeBatch(encodeBatch({ origin: 'n#1', firstId: 1, commands: [command] }));
    const [applied] = applyBatch(state, commands, { index: state.index + 1, nowMs: 0 });
    state = restoreSnapshot(structuredClone(takeSnapshot(state)));
    return applied!.reply;
  };
  const password = bytes('secret');
  const open = (connection: number, options: object = {}): Reply =>
    apply({ kind: 'openSession', session: 's', ttlMs: 1_000, creator: 'c', password, connection, ...options });
  const create = (path: string, connection?: number): Reply =>
    apply({ kind: 'create', path, value: bytes(''), session: 's', request: 0, settled: 0, ...(connection ? { connection } : {}) });

  test('refuses what comes over an earlier one, whenever it comes', () => {
    open(7);
    expect(create('/a', 7)).toMatchObject({ kind: 'done' });
    expect(open(8, { again: true })).toMatchObject({ kind: 'done' });
    expect(create('/late', 7)).toMatchObject({ kind: 'refused', code: 'SessionMoved' });
    expect(nodeAt(state, '/late')).toBeUndefined();
    expect(create('/b', 8)).toMatchObject({ kind: 'done' });
    expect(create('/c')).toMatchObject({ kind: 'done' });
  });

  test('moves only for who shows its password, and only while it is open', () => {
    expect(open(9, { again: true, password: bytes('wrong!') })).toMatchObject({ kind: 'refused', code: 'BadPassword' });
    expect(create('/d', 8)).toMatchObject({ kind: 'done' });
    apply({ kind: 'closeSession', session: 's', why: 'expired' });
    expect(open(10, { again: true })).toMatchObject({ kind: 'refused', code: 'NoSession' });
    expect(state.sessions.size).toBe(0);
  });
});
