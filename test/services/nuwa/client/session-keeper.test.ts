import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import { KuafuError } from '../../../../services/kuafu/contract.ts';
import type { NuwaRpc } from '../../../../services/nuwa/client/rpc.ts';
import { SessionKeeper } from '../../../../services/nuwa/client/session-keeper.ts';
import { NuwaError } from '../../../../services/nuwa/contract.ts';
import type { RequestId } from '../../../../services/nuwa/core/tree/command.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function newSession(): Promise<SessionKeeper> {
  const answer = async () => ({ revision: 1 });
  const rpc = { openSession: answer, keepAlive: answer, closeSession: answer } as unknown as NuwaRpc;
  const session = new SessionKeeper({ rpc, ttlMs: 600_000, creator: 'test', log: silentLogger });
  await session.open(1_000);
  cleanups.push(() => session.close(1_000));
  return session;
}

describe('a change that must not be left half known', () => {
  test('is sent under its one number until it is answered, however many calls that takes', async () => {
    const session = await newSession();
    const ids: RequestId[] = [];
    const answers = [
      new KuafuError('DeadlineExceeded', 'late'),
      new KuafuError('Unavailable', 'away'),
      new KuafuError('Overloaded', 'busy'),
    ];
    const reply = await session.writeThrough(async (id) => {
      ids.push(id);
      const failure = answers.shift();
      if (failure) throw failure;
      return 'made';
    });
    expect(reply).toBe('made');
    expect(ids).toEqual(Array.from({ length: 4 }, () => ({ session: session.id, request: 1, settled: 1 })));
  });

  test('ends with what the server refuses, and with the session', async () => {
    const session = await newSession();
    const refused = session.writeThrough(async () => {
      throw new NuwaError('NodeExists', 'it is there');
    });
    await expect(refused).rejects.toMatchObject({ code: 'NodeExists' });
    const away = session.writeThrough(async () => {
      throw new KuafuError('Unavailable', 'away');
    });
    away.catch(() => {});
    await session.close(1_000);
    await expect(away).rejects.toMatchObject({ code: 'NoSession' });
    expect(session.ended.aborted).toBe(true);
  });

  test('of a session that the server no longer knows ends it', async () => {
    const session = await newSession();
    const states: string[] = [];
    session.onState((state) => states.push(state));
    const write = session.writeThrough(async () => {
      throw new NuwaError('NoSession', 'unknown');
    });
    await expect(write).rejects.toMatchObject({ code: 'NoSession' });
    expect([states, session.ended.aborted]).toEqual([['expired'], true]);
  });
});
