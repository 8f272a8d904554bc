import { hasCode, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { keepFollowing } from '../../nuwa/client.ts';
import { type NuwaClient, type NuwaNode, SERVICES_PATH, serviceInfoSchema } from '../../nuwa/contract.ts';
import { CHUNK_SERVICE } from '../chunk-contract.ts';
import { disksFromText } from '../core/disk-space.ts';
import type { ChunkServerInfo, ChunkServers } from './context.ts';

const DIRECTORY = `${SERVICES_PATH}/${CHUNK_SERVICE}`;

/**
 * The chunk servers registered in Nuwa, kept current. While Nuwa does not answer, what was seen last stays: a chunk server that is gone by
 * then is found out by the writers that call it.
 */
export async function watchChunkServers(nuwa: NuwaClient, log: Logger): Promise<ChunkServers & { stop(): void }> {
  const servers = new Map<string, ChunkServerInfo>();
  const stopping = new AbortController();
  const idOf = (path: string): string => path.slice(DIRECTORY.length + 1);

  const put = ({ path, value }: Pick<NuwaNode, 'path' | 'value'>): void => {
    const id = idOf(path);
    try {
      const info = serviceInfoSchema.parse(JSON.parse(Buffer.from(value).toString()));
      const { freeBytes, totalBytes, chunkRoomBytes, busy, machine, draining, disks } = info.attributes;
      servers.set(id, {
        id,
        rack: info.rack ?? '',
        address: info.address,
        freeBytes: numberOf(freeBytes),
        totalBytes: numberOf(totalBytes),
        ...(typeof chunkRoomBytes === 'number' ? { chunkRoomBytes } : {}),
        busy: numberOf(busy),
        ...(typeof machine === 'string' ? { machine } : {}),
        draining: draining === true,
        disks: disksFromText(disks),
      });
    } catch (error) {
      log.warn({ path, error: messageOf(error) }, 'chunk-server.unreadable');
    }
  };

  await nuwa.create(DIRECTORY, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  await keepFollowing(nuwa, DIRECTORY, {
    signal: stopping.signal,
    log,
    take(news) {
      if (news.kind === 'snapshot') {
        servers.clear();
        for (const node of news.nodes) put(node);
      } else {
        const { kind, path, value } = news.event;
        if (kind === 'deleted') servers.delete(idOf(path));
        else put({ path, value: value! });
      }
    },
  });
  return { list: () => [...servers.values()], get: (node) => servers.get(node), stop: () => stopping.abort() };
}

function numberOf(attribute: unknown): number {
  return typeof attribute === 'number' ? attribute : 0;
}
