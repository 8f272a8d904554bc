import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Followed, NuwaClient } from '../contract.ts';

/**
 * Follows a directory in the background and hands each news to `take`, from the first picture on.
 *
 * @returns once the first picture was taken, or the signal aborted before; `ended` resolves when the following has ended. Errors: BadPath, and
 * what `take` throws at the first picture. Later it is to throw nothing: what it throws ends the following and is logged.
 */
export async function keepFollowing(
  nuwa: NuwaClient,
  path: string,
  options: { recursive?: boolean; signal: AbortSignal; log: Logger; take(news: Followed): void },
): Promise<{ ended: Promise<void> }> {
  const { recursive, signal, log, take } = options;
  const news = nuwa.follow(path, { recursive, signal })[Symbol.asyncIterator]();
  const first = await news.next();
  if (first.done) return { ended: Promise.resolve() };
  take(first.value);
  const goOn = async (): Promise<void> => {
    for (let next = await news.next(); !next.done; next = await news.next()) take(next.value);
  };
  const ended = goOn().catch((error: unknown) => log.error({ path, error: messageOf(error) }, 'nuwa.following.ended'));
  return { ended };
}
