import { backoffMs } from '../base/backoff.ts';
import { systemClock } from '../base/clock.ts';
import { hasCode, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { NuwaClient } from '../nuwa/contract.ts';

/**
 * The children of a directory of Nuwa, kept current by a watch until the signal aborts: name → the value as JSON, or undefined when it is
 * none. While Nuwa is away what was seen last stays.
 *
 * @returns once the first list is there.
 */
export async function followChildren(
  nuwa: NuwaClient,
  path: string,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<ReadonlyMap<string, unknown>> {
  const children = new Map<string, unknown>();

  const list = async (): Promise<number> => {
    const found = await nuwa.list(path).catch((error) => {
      if (hasCode(error, 'NoNode')) return { children: [], revision: Number(error.details.revision) };
      throw error;
    });
    const listed = new Map(found.children.map((child) => [child.path.slice(path.length + 1), jsonOf(child.value)]));
    for (const name of children.keys()) if (!listed.has(name)) children.delete(name);
    for (const [name, value] of listed) children.set(name, value);
    return found.revision;
  };

  const follow = async (listedAt: number): Promise<void> => {
    let revision: number | undefined = listedAt;
    for (let failures = 0; !signal.aborted; ) {
      try {
        revision ??= await list();
        for await (const event of nuwa.watch(path, { recursive: true, afterRevision: revision, signal })) {
          revision = event.revision;
          failures = 0;
          const name = event.path.slice(path.length + 1);
          if (name === '' || name.includes('/')) continue;
          if (event.kind === 'deleted') children.delete(name);
          else children.set(name, jsonOf(event.value!));
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ path, error: messageOf(error) }, 'follow.failed');
        revision = undefined; // list again: what was missed shows in the difference
        await systemClock.sleep(backoffMs(++failures, systemRandom), signal).catch(() => {});
      }
    }
  };

  void follow(await list());
  return children;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
