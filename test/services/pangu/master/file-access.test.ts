import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import type { CallContext } from '../../../../services/kuafu/contract.ts';
import { type Caller, NOBODY } from '../../../../services/kuafu/guard-contract.ts';
import { masterHandlers } from '../../../../services/pangu/master/handlers.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

/** Requests that name a file by its id: the file's path decides, wherever it is by now. */
let metadata: TestMetadata;
let handlers: ReturnType<typeof masterHandlers>;
beforeAll(async () => {
  metadata = await withMetadata();
  handlers = masterHandlers(metadata.context);
  await handlers.mkdir({ requestId: newId(), path: '/mine', recursive: true }, as(NOBODY));
  await handlers.mkdir({ requestId: newId(), path: '/others/deep', recursive: true }, as(NOBODY));
}, 60_000);
afterAll(() => metadata.stop());

const as = (caller: Caller): CallContext => ({ caller }) as CallContext;

/** May do what it is told below `pangu://test/mine`, and remembers what it was asked. */
function callerWho(...may: string[]): Caller & { asked: string[] } {
  const asked: string[] = [];
  const refusal = (operation: string, resource: string): string | undefined => {
    // Who may do it anywhere is let through without a look at where the file stands, so that is asked first.
    if (resource !== 'pangu://test/') asked.push(`${operation} ${resource}`);
    return may.includes(operation) && resource.startsWith('pangu://test/mine/') ? undefined : `not ${operation} ${resource}`;
  };
  return { name: 'user/a', key: 'k', ended: () => undefined, refusal, asked };
}

const create = async (path: string, mode: 'w' | 'wx') => {
  const file = newId('f');
  const { chunk } = await handlers.create({ file, path, mode, chunkBytes: 65_536, replicas: 1, parents: false }, as(NOBODY));
  return { file, chunk };
};

describe.each(['w', 'wx'] as const)('a file that is written with mode %s', (mode) => {
  test('is written to by whom may write where it stands, or will', async () => {
    const { file } = await create(`/mine/${mode}`, mode);
    const writer = callerWho('write');
    const allocation = { file, index: 1, exclude: [] };
    await handlers.allocate(allocation, as(writer));
    await expect(handlers.allocate(allocation, as(callerWho('read')))).rejects.toMatchObject({ code: 'PermissionDenied' });
    await handlers.commit({ file, chunks: [], close: false }, as(writer));
    await expect(handlers.commit({ file, chunks: [], close: true }, as(callerWho('read')))).rejects.toMatchObject({
      code: 'PermissionDenied',
    });
    await expect(handlers.abandon({ file }, as(callerWho('read')))).rejects.toMatchObject({ code: 'PermissionDenied' });
    await handlers.abandon({ file }, as(writer));
    expect(new Set(writer.asked)).toEqual(new Set([`write pangu://test/mine/${mode}`]));
  });

  test('of somebody else is neither read nor written, and nothing tells where it is', async () => {
    const { file, chunk } = await create(`/others/deep/${mode}`, mode);
    const caller = callerWho('read', 'write');
    for (const call of [
      () => handlers.locate({ file }, as(caller)),
      () => handlers.allocate({ file, index: 1, exclude: [] }, as(caller)),
      () => handlers.commit({ file, chunks: [], close: true }, as(caller)),
      () => handlers.abandon({ file }, as(caller)),
      () => handlers.reportBadReplica({ chunk, node: 'n1', reason: '' }, as(caller)),
    ]) {
      const error = await call().then(
        () => undefined,
        (error: Error & { code: string; details: unknown }) => error,
      );
      expect(error).toMatchObject({ code: 'PermissionDenied' });
      expect(JSON.stringify([error!.message, error!.details])).not.toMatch(/others|deep/);
    }
    expect(new Set(caller.asked)).toEqual(new Set([`read pangu://test/others/deep/${mode}`, `write pangu://test/others/deep/${mode}`]));
  });
});

test('a file that was moved is asked of where it is now', async () => {
  const { file } = await create('/mine/moved', 'wx');
  await handlers.rename({ requestId: newId(), from: '/mine/moved', to: '/others/deep/moved' }, as(NOBODY));
  await expect(handlers.locate({ file }, as(callerWho('read')))).rejects.toMatchObject({ code: 'PermissionDenied' });
});

test('a file that was removed is read on by who had opened it, and written by nobody', async () => {
  const { file } = await create('/mine/removed', 'wx');
  await handlers.remove({ requestId: newId(), path: '/mine/removed', what: 'file', force: false, skipTrash: true }, as(NOBODY));
  await expect(handlers.locate({ file }, as(callerWho()))).resolves.toBeDefined();
  await expect(handlers.allocate({ file, index: 1, exclude: [] }, as(callerWho('write')))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a server without a guard asks nobody', async () => {
  const { file } = await create('/others/open', 'wx');
  await expect(handlers.locate({ file }, as(NOBODY))).resolves.toBeDefined();
});
