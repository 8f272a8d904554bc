import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type NuwaClient, type NuwaNode, SERVICES_PATH, serviceInfoSchema } from '../../nuwa/contract.ts';
import { CHUNK_SERVICE } from '../chunk-contract.ts';
import type { ChunkServerInfo, ChunkServers } from './context.ts';

const DIRECTORY = `${SERVICES_PATH}/${CHUNK_SERVICE}`;
const RETRY_MS = 500;

/**
 * The chunk servers registered in Nuwa, kept current by a watch. While Nuwa does not answer, what was seen last stays: a chunk server that
 * is gone by then is found out by the writers that call it.
 */
export async function watchChunkServers(nuwa: NuwaClient, log: Logger): Promise<ChunkServers & { stop(): void }> {
  let servers = new Map<string, ChunkServerInfo>();
  const stopping = new AbortController();

  const list = async (): Promise<number> => {
    const { children, revision } = await nuwa.list(DIRECTORY);
    servers = new Map();
    for (const child of children) put(child);
    return revision;
  };

  const put = ({ path, value }: Pick<NuwaNode, 'path' | 'value'>): void => {
    const id = path.slice(DIRECTORY.length + 1);
    try {
      const info = serviceInfoSchema.parse(JSON.parse(Buffer.from(value).toString()));
      const { freeBytes, draining } = info.attributes;
      servers.set(id, {
        id,
        rack: info.rack ?? '',
        address: info.address,
        freeBytes: typeof freeBytes === 'number' ? freeBytes : 0,
        draining: draining === true,
      });
    } catch (error) {
      log.warn({ path, error: messageOf(error) }, 'chunk-server.unreadable');
    }
  };

  const follow = async (afterRevision: number): Promise<void> => {
    for await (const event of nuwa.watch(DIRECTORY, { recursive: true, afterRevision, signal: stopping.signal })) {
      if (event.path === DIRECTORY) continue;
      if (event.kind === 'deleted') servers.delete(event.path.slice(DIRECTORY.length + 1));
      else if (event.value) put({ path: event.path, value: event.value });
    }
  };

  const run = async (firstRevision: number): Promise<void> => {
    let revision: number | undefined = firstRevision;
    while (!stopping.signal.aborted) {
      try {
        revision ??= await list();
        await follow(revision);
      } catch (error) {
        if (!hasCode(error, 'Compacted')) log.warn({ error: messageOf(error) }, 'chunk-servers.watch.failed');
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      }
      revision = undefined;
    }
  };

  await nuwa.create(DIRECTORY, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  void run(await list());
  return { list: () => [...servers.values()], get: (node) => servers.get(node), stop: () => stopping.abort() };
}
