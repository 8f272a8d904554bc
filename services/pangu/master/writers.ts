import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { keepFollowing } from '../../nuwa/client.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import { WRITERS_PATH } from '../write-contract.ts';
import type { Writers } from './lease.ts';

export interface WatchedWriters extends Writers {
  /** Whether the writer was seen when news came last: it stands there, or went since. */
  seen(writer: string): boolean;
  /** Called when a writer went, or when some may have. */
  onGone(listener: () => void): void;
  stop(): void;
}

/** Those who write, as they stand in Nuwa. The picture kept here only says whom to ask about; that a writer is gone is asked of Nuwa itself. */
export async function watchWriters(nuwa: NuwaClient, log: Logger): Promise<WatchedWriters> {
  const present = new Set<string>();
  const stopping = new AbortController();
  let listener = (): void => {};
  const idOf = (path: string): string => path.slice(WRITERS_PATH.length + 1);
  await nuwa.create(WRITERS_PATH, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  await keepFollowing(nuwa, WRITERS_PATH, {
    signal: stopping.signal,
    log,
    take(news) {
      if (news.kind === 'snapshot') {
        present.clear();
        for (const { path } of news.nodes) present.add(idOf(path));
        listener();
      } else if (news.event.kind === 'deleted') {
        present.delete(idOf(news.event.path));
        listener();
      } else {
        present.add(idOf(news.event.path));
      }
    },
  });
  return {
    seen: (writer) => present.has(writer),
    isGone: (writer) =>
      nuwa.get(`${WRITERS_PATH}/${writer}`).then(
        () => false,
        (error) => {
          if (hasCode(error, 'NoNode')) return true;
          throw error;
        },
      ),
    onGone: (heard) => {
      listener = heard;
    },
    stop: () => stopping.abort(),
  };
}
