import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Followed, NuwaClient } from '../contract.ts';

/**
 * Follows the children of a directory in the background and hands each news to `take`, from the first picture on.
 *
 * @returns once the first picture was taken, or the signal aborted before; `ended` resolves when the following has ended. Errors: BadPath, and
 * what `take` throws at the first picture. Later it is to throw nothing: what it throws ends the following and is logged.
 */
export async function keepFollowing(
  nuwa: NuwaClient,
  path: string,
  { signal, log, take }: { signal: AbortSignal; log: Logger; take(news: Followed): void },
): Promise<{ ended: Promise<void> }> {
  const news = childrenOnly(nuwa.follow(path, { signal }), path);
  const first = await news.next();
  if (first.done) return { ended: Promise.resolve() };
  take(first.value);
  const goOn = async (): Promise<void> => {
    for await (const next of news) take(next);
  };
  const ended = goOn().catch((error: unknown) => log.error({ path, error: messageOf(error) }, 'nuwa.following.ended'));
  return { ended };
}

/** What is followed, without the directory itself. */
export async function* childrenOnly(followed: AsyncIterable<Followed>, path: string): AsyncGenerator<Followed, undefined> {
  for await (const news of followed) {
    if (news.kind === 'snapshot') yield { ...news, nodes: news.nodes.filter((node) => node.path !== path) };
    else if (news.event.path !== path) yield news;
  }
}
