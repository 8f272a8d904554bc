import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { applyBatch } from '../../../../../services/nuwa/core/tree/apply.ts';
import { unpackBytes } from '../../../../../services/nuwa/core/tree/bytes.ts';
import type { Applied, Change, Check, Command } from '../../../../../services/nuwa/core/tree/command.ts';
import { dueForReaping } from '../../../../../services/nuwa/core/tree/reap.ts';
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, nodeAt, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';
import { decode, encode } from '../../../../../services/nuwa/log/codec.ts';
import { statText, TreeModel } from './model.ts';
import { Maker, randomEntries, timeOf } from './random-entries.ts';
import { told } from './script.ts';

const SEEDS = Array.from({ length: 100 }, (_, i) => i + 1);
const ENTRIES = 100;

function answerOf({ reply }: Applied): string {
  if (reply.kind === 'refused') {
    const found = reply.found ? ` ${reply.found}` : '';
    return `${reply.code}${found} @${reply.revision}${reply.operation === undefined ? '' : ` #${reply.operation}`}`;
  }
  if (reply.results) return `done @${reply.revision} [${reply.results.map((each) => `done${partsOf(each)}`).join('; ')}]`;
  return `done @${reply.revision}${partsOf(reply)}`;
}

function partsOf({ path, version, stat }: { path?: string; version?: number; stat?: Parameters<typeof statText>[0] }): string {
  return `${path === undefined ? '' : ` ${path}`}${version === undefined ? '' : ` v${version}`}${stat ? ` ${statText(stat)}` : ''}`;
}

/** Everything that a snapshot says of the nodes. */
function dump(state: TreeState): unknown[] {
  return takeSnapshot(state).nodes.map(([path, value, , , , , , creator, , counter, , , container, ttlMs, , acl]) => [
    path,
    new TextDecoder().decode(unpackBytes(value)),
    creator,
    counter,
    container,
    ttlMs,
    acl ?? [[31, 'world', 'anyone']],
    statText(statAt(state, path)),
  ]);
}

function dumpModel(model: TreeModel): unknown[] {
  return [...model.nodes.keys()].sort(byWalk).map((path) => {
    const { value, creator, counter, container = false, ttlMs = null, acl } = model.nodes.get(path)!;
    const rows = acl.map(({ permissions, scheme, id }) => [permissions, scheme, id]);
    return [path, value, creator, counter, container, ttlMs, rows, statText(model.stat(path))];
  });
}

/** `/` comes before every other character of a name, as a walk has it. */
const byWalk = (a: string, b: string): number => (a.replaceAll('/', '\0') < b.replaceAll('/', '\0') ? -1 : 1);

function statAt(state: TreeState, path: string): Parameters<typeof statText>[0] {
  const node = nodeAt(state, path)!;
  const { createRevision, modifyRevision, createdAtMs, modifiedAtMs, version, childVersion, childRevision, aclVersion } = node;
  const { ephemeralOwner, childCount } = node;
  const own = { createRevision, modifyRevision, createdAtMs, modifiedAtMs, version, childVersion, childRevision, aclVersion };
  return { ...own, ephemeralOwner, valueBytes: node.value.length, childCount };
}

function bytesOf(state: TreeState): string {
  return encode(takeSnapshot(state)).toString('hex');
}

function restarted(state: TreeState): TreeState {
  return restoreSnapshot(decode(encode(takeSnapshot(state))) as Snapshot);
}

/** The invariants written in state.ts. */
function checkState(state: TreeState): void {
  const { nodes } = takeSnapshot(state);
  const owned = [...state.sessions.values()].flatMap(({ id, ephemerals }) => [...ephemerals].map((path) => `${id} ${path}`)).sort();
  const revisions = new Set<number>();
  const expected: string[] = [];
  const reapable: string[] = [];
  for (const [path, , , made, changed, , , , owner, , , childRevision, container, ttlMs] of nodes) {
    expect(made).toBeLessThanOrEqual(changed);
    expect(changed).toBeLessThanOrEqual(state.revision);
    expect(childRevision).toBeGreaterThanOrEqual(made);
    expect(childRevision).toBeLessThanOrEqual(state.revision);
    expect(revisions.has(changed)).toBe(false);
    revisions.add(changed);
    const childCount = nodes.filter(([other]) => other !== '/' && other.slice(0, Math.max(1, other.lastIndexOf('/'))) === path).length;
    expect(nodeAt(state, path)!.childCount).toBe(childCount);
    expect([owner !== null, container, ttlMs !== null].filter(Boolean).length).toBeLessThanOrEqual(1);
    if ((container || ttlMs !== null) && childCount === 0) reapable.push(path);
    if (owner === null) continue;
    expected.push(`${owner} ${path}`);
    expect(childCount).toBe(0);
  }
  expect(state.nodes).toBe(nodes.length - 1);
  expect(owned).toEqual(expected.sort());
  expect(dueForReaping(state, Number.MAX_SAFE_INTEGER).map(({ path }) => path)).toEqual(reapable.sort());
  for (const { replies, settled } of state.sessions.values())
    for (const request of replies.keys()) expect(request).toBeGreaterThanOrEqual(settled);
}

describe('for any sequence of commands', () => {
  it('answers, events, nodes and what is due are those of a plain model, over restarts from snapshots', () => {
    const kinds = new Set<string>();
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const model = new TreeModel();
      let state = newState();
      for (const [i, entry] of randomEntries(random, ENTRIES).entries()) {
        const at = { index: i + 1, nowMs: timeOf(i + 1) };
        const applied = applyBatch(state, entry, at);
        for (const [j, command] of entry.entries()) {
          const { answer, events } = model.apply(command, at.nowMs);
          const where = `seed ${seed}, entry ${at.index}: ${JSON.stringify(command)}`;
          expect(`${answerOf(applied[j]!)}; ${told(applied[j]!).join(', ')}`, where).toBe(`${answer}; ${events.join(', ')}`);
          kinds.add(`${command.kind} ${answer.split(' ')[0]}`);
          if (command.kind === 'reap' && events.length > 0) kinds.add('reaped');
        }
        expect(
          dueForReaping(state, at.nowMs).map(({ path }) => path),
          `seed ${seed}, entry ${at.index}`,
        ).toEqual(model.due(at.nowMs));
        if (random.int(20) === 0) state = restarted(state);
      }
      expect(dump(state), `seed ${seed}`).toEqual(dumpModel(model));
      checkState(state);
    }
    // The scripts go where they are meant to.
    for (const each of ['transaction done', 'transaction Conflict', 'transaction NoAuth', 'setAcl done', 'create NoAuth', 'reaped'])
      expect(kinds).toContain(each);
  });

  it('the same commands give the same bytes, also when a server restored a snapshot on the way', () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const entries = randomEntries(random, ENTRIES);
      const restartAt = random.int(entries.length);
      const steady = newState();
      let other = newState();
      for (const [i, entry] of entries.entries()) {
        if (i === restartAt) other = restarted(other);
        const at = { index: i + 1, nowMs: timeOf(i + 1) };
        // Commands as they come back from the log.
        const stored = decode(encode(entry)) as Command[];
        const same = encode(applyBatch(other, stored, at)).equals(encode(applyBatch(steady, entry, at)));
        expect(same, `seed ${seed}, entry ${at.index}: ${JSON.stringify(entry)}`).toBe(true);
      }
      expect(bytesOf(other), `seed ${seed}`).toBe(bytesOf(steady));
      expect(other.nodes).toBe(steady.nodes);
    }
  });

  it('a transaction that is refused at its end leaves no trace', () => {
    const changes: number[] = [];
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const state = newState();
      const history = [...randomEntries(random, ENTRIES / 2), [OPEN]];
      for (const [i, entry] of history.entries()) applyBatch(state, entry, { index: i + 1, nowMs: timeOf(i + 1) });
      const make = new Maker(random);
      for (let round = 0; round < 10; round++) {
        const at = { index: state.index + 1, nowMs: timeOf(state.index + 1) };
        const operations = operationsThatHold(state, make, random.int(8));
        const where = `seed ${seed}, round ${round}: ${JSON.stringify(operations)}`;
        const before = bytesOf(state);
        const control = restarted(state);
        const doomed: Command = { kind: 'transaction', ...BY, operations: [...operations, { kind: 'check', path: '/never' }] };
        const [applied] = applyBatch(state, [doomed], at);
        expect(applied, where).toMatchObject({
          reply: { code: 'Conflict', operation: operations.length, revision: control.revision },
          events: [],
        });
        state.index--;
        expect(bytesOf(state), where).toBe(before);
        checkState(state);
        // What follows is what follows where nothing was ever tried.
        const follow: Command[] = [
          { kind: 'transaction', ...BY, operations },
          { ...BY, ...make.change() },
          { ...BY, ...make.change() },
        ];
        const followed = applyBatch(state, follow, at);
        expect(encode(followed).equals(encode(applyBatch(control, follow, at))), where).toBe(true);
        expect(bytesOf(state), where).toBe(bytesOf(control));
        expect(dueForReaping(state, Number.MAX_SAFE_INTEGER), where).toEqual(dueForReaping(control, Number.MAX_SAFE_INTEGER));
        changes.push(followed[0]!.events.length);
      }
    }
    expect(changes.filter((count) => count > 3).length).toBeGreaterThan(200);
  });
});

const OPEN = { kind: 'openSession', session: 's1', ttlMs: 5_000, creator: 'one' } as const;
const BY = { session: 's1', request: 0, settled: 0 };

/** Drawn until that many were found of which none is refused after those before it. */
function operationsThatHold(state: TreeState, make: Maker, count: number): (Change | Check)[] {
  const scratch = restarted(state);
  const held: (Change | Check)[] = [];
  for (let tries = 0; held.length < count && tries < 200; tries++) {
    const operations = make.operations(1);
    const at = { index: scratch.index + 1, nowMs: timeOf(state.index + 1) };
    if (applyBatch(scratch, [{ kind: 'transaction', ...BY, operations }], at)[0]!.reply.kind === 'done') held.push(...operations);
  }
  return held;
}
