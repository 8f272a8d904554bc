import type { ServerStatus } from '../contract.ts';
import type { Voting } from './voting.ts';

/** Why a server takes no part in its group. `unwritable` and `refused` are final. */
export type Down = 'starting' | 'stopped' | 'unwritable' | 'refused';

/** Why it left: its files are not those that its group knows it by, and no restart changes that. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

export function partOf(down: Down | undefined, voting: Voting): ServerStatus['part'] {
  if (down === 'refused') return 'refused';
  if (down === 'starting') return 'waiting';
  return voting.problem === undefined ? undefined : 'voteless';
}

/** Resolves with why when the group refuses this server. */
export function refusalOf(leaving: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (leaving.reason instanceof Refused) resolve(leaving.reason.message);
    };
    leaving.addEventListener('abort', look);
    look();
  });
}
