import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import type { Applied, Command } from '../../../../../services/nuwa/core/tree/command.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';
import { decode, encode } from '../../../../../services/nuwa/log/codec.ts';
import { TreeModel } from './model.ts';
import { randomCommands } from './random-commands.ts';
import { replay, told } from './script.ts';

const SEEDS = Array.from({ length: 100 }, (_, i) => i + 1);

function answerOf({ reply }: Applied): string {
  if (reply.kind === 'refused') return reply.code;
  const version = reply.version === undefined ? '' : ` v${reply.version}`;
  return `done @${reply.revision}${version}${reply.path === undefined ? '' : ` ${reply.path}`}`;
}

function dump(state: TreeState): string[] {
  return takeSnapshot(state)
    .nodes.map(([path, value, version, made, changed, , , , owner]) => {
      return `${path} ${new TextDecoder().decode(value)} v${version} @${made}/${changed} ${owner ?? ''}`;
    })
    .sort();
}

function bytesOf(state: TreeState): string {
  return encode(takeSnapshot(state)).toString('hex');
}

/** The invariants written in state.ts. */
function checkState(state: TreeState): void {
  const { nodes } = takeSnapshot(state);
  const owned = [...state.sessions.values()].flatMap(({ id, ephemerals }) => [...ephemerals].map((path) => `${id} ${path}`)).sort();
  const revisions = new Set<number>();
  const expected: string[] = [];
  for (const [path, , , made, changed, , , , owner] of nodes) {
    expect(made).toBeLessThanOrEqual(changed);
    expect(changed).toBeLessThanOrEqual(state.revision);
    expect(revisions.has(changed)).toBe(false);
    revisions.add(changed);
    if (owner === null) continue;
    expected.push(`${owner} ${path}`);
    expect(nodes.some(([other]) => other.startsWith(`${path}/`))).toBe(false);
  }
  expect(owned).toEqual(expected.sort());
  for (const { replies, settled } of state.sessions.values())
    for (const request of replies.keys()) expect(request).toBeGreaterThanOrEqual(settled);
}

describe('for any sequence of commands', () => {
  it('answers, events and nodes are those of a plain model', () => {
    for (const seed of SEEDS) {
      const model = new TreeModel();
      const state = newState();
      const got: string[] = [];
      const wanted: string[] = [];
      for (const command of randomCommands(seededRandom(seed), 120)) {
        if (command.kind === 'openSession' && !model.sessions.has(command.session)) forget(model, command.session);
        const text = JSON.stringify(command);
        const applied = replay(state, command);
        got.push(`${text}: ${answerOf(applied)}; ${told(applied).join(', ')}`);
        const { answer, events } = model.apply(command);
        wanted.push(`${text}: ${answer}; ${events.join(', ')}`);
      }
      expect(got, `seed ${seed}`).toEqual(wanted);
      expect(dump(state), `seed ${seed}`).toEqual(model.dump());
      checkState(state);
    }
  });

  it('the same commands give the same bytes, also when a server restored a snapshot on the way', () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const commands: Command[] = randomCommands(random, 120);
      const restartAt = random.int(commands.length);
      const steady = newState();
      let restarted = newState();
      for (const [step, command] of commands.entries()) {
        if (step === restartAt) restarted = restoreSnapshot(decode(encode(takeSnapshot(restarted))) as ReturnType<typeof takeSnapshot>);
        // A command as it comes back from the log.
        const stored = decode(encode(command)) as Command;
        const same = encode(replay(restarted, stored)).equals(encode(replay(steady, command)));
        expect(same, `seed ${seed}, step ${step}: ${JSON.stringify(command)}`).toBe(true);
      }
      expect(bytesOf(restarted), `seed ${seed}`).toBe(bytesOf(steady));
    }
  });
});

/** A session that is opened again after it was closed begins without a past. */
function forget(model: TreeModel, session: string): void {
  for (const key of model.answers.keys()) if (key.startsWith(`${session} `)) model.answers.delete(key);
}
