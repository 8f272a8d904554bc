import type { Random } from '../../../../../services/base/random.ts';
import type { Command } from '../../../../../services/nuwa/core/tree/command.ts';
import { bytes } from './script.ts';

const NAMES = ['a', 'b', 'c'];
const SESSIONS = ['s1', 's2', 's3'];

/** Commands over few names and few sessions, so that they meet; one in eight is a copy of an earlier one. */
export function randomCommands(random: Random, count: number): Command[] {
  const commands: Command[] = [];
  const requests = new Map<string, number>();
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
  const chance = (oneIn: number): boolean => random.int(oneIn) === 0;
  const path = (): string => {
    if (chance(40)) return pick(['/', 'bad', '/a/', '//', '/..']);
    let made = '';
    for (let depth = 1 + random.int(3); depth > 0; depth--) made += `/${pick(NAMES)}`;
    return made;
  };
  const guard = () => ({
    ...(chance(3) ? { version: random.int(3) } : {}),
    ...(chance(8) ? { createRevision: random.int(20) } : {}),
  });
  while (commands.length < count) {
    const session = pick(SESSIONS);
    if (commands.length > 0 && chance(8)) {
      commands.push(pick(commands));
      continue;
    }
    const request = (requests.get(session) ?? 0) + 1;
    const id = { session, request, settled: 0 };
    const roll = random.int(20);
    if (roll < 2) {
      commands.push({ kind: 'openSession', session, ttlMs: 5_000, creator: `c-${session}` });
      continue;
    }
    if (roll < 3) {
      commands.push({ kind: 'closeSession', session, why: chance(2) ? 'closed' : 'expired' });
      continue;
    }
    requests.set(session, request);
    const value = bytes(String(random.int(1_000)));
    if (roll < 12) {
      const options = { ephemeral: chance(3), sequential: chance(4), parents: chance(2), replace: chance(4) };
      commands.push({ kind: 'create', ...id, path: path(), value, ...options });
    } else if (roll < 16) commands.push({ kind: 'set', ...id, path: path(), value, ...guard() });
    else commands.push({ kind: 'delete', ...id, path: path(), recursive: chance(3), ...guard() });
  }
  return commands;
}
