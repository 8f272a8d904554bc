/**
 * Whether the servers of a running group hold the same tree. Each is asked for what it has itself (`stale`), directory by directory; what looks different may only
 * be later on one of them, so it is looked at again, a few times, before it is called a difference.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../../../services/base/errors.ts';
import type { NuwaNode } from '../../../services/nuwa/contract.ts';
import type { NuwaServerClient } from './nuwa-group.ts';

/** What a server has at a path; undefined: nothing. */
export type Seen = Pick<NuwaNode, 'value' | 'version' | 'createRevision' | 'modifyRevision' | 'ephemeralOwner' | 'creator'> | undefined;

export interface Comparison {
  /** Below the root. */
  nodes: number;
  /** Paths at which servers hold different things, with what each has. */
  differences: { path: string; seen: Seen[] }[];
  /** Paths that changed all the time, so that nobody can say. */
  moving: string[];
}

/** A server that keeps up has by then what another one had when it was first looked at. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 300;
const CALL_MS_MAX = 30_000;

export async function compareServers(
  servers: readonly NuwaServerClient[],
  onDirectory: (nodes: number) => void = () => {},
): Promise<Comparison> {
  const suspects = new Set<string>();
  let nodes = 0;
  if (!sameAll(await Promise.all(servers.map((server) => lookAt(server, '/'))))) suspects.add('/');
  for (const queue = ['/']; queue.length > 0; ) {
    const directory = queue.pop()!;
    const listings = await Promise.all(servers.map((server) => listingOf(server, directory)));
    const paths = new Set(listings.flatMap((listing) => [...listing.keys()]));
    for (const path of paths) {
      const all = listings.map((listing) => listing.get(path));
      if (!sameAll(all)) suspects.add(path);
      if (all.some((node) => node !== undefined && node.childCount > 0)) queue.push(path);
    }
    nodes += paths.size;
    onDirectory(nodes);
  }
  const found: Comparison = { nodes, differences: [], moving: [] };
  const looks = await lookAgain(servers, [...suspects].sort());
  for (const [path, history] of looks) {
    const verdict = judge(history);
    if (verdict === 'different') found.differences.push({ path, seen: history.at(-1)! });
    if (verdict === 'moving') found.moving.push(path);
  }
  return found;
}

async function listingOf(server: NuwaServerClient, path: string): Promise<Map<string, NuwaNode>> {
  const found = new Map<string, NuwaNode>();
  try {
    for (let after: string | undefined; ; ) {
      const page = await server.list({ path, stale: true, ...(after === undefined ? {} : { after }) }, { timeoutMs: CALL_MS_MAX });
      for (const child of page.children) found.set(child.path, child);
      if (page.next === undefined) return found;
      after = page.next;
    }
  } catch (error) {
    // It went away, here or everywhere: then its parent's listing says so.
    if (!hasCode(error, 'NoNode')) throw error;
    return found;
  }
}

async function lookAt(server: NuwaServerClient, path: string): Promise<Seen> {
  try {
    return (await server.get({ path, stale: true }, { timeoutMs: CALL_MS_MAX })).node;
  } catch (error) {
    if (!hasCode(error, 'NoNode')) throw error;
    return undefined;
  }
}

/** What the servers had at each of the paths, look by look; a path at which they agree is not looked at again. */
async function lookAgain(servers: readonly NuwaServerClient[], paths: readonly string[]): Promise<Map<string, Seen[][]>> {
  const looks = new Map(paths.map((path): [string, Seen[][]] => [path, []]));
  for (let look = 0; look < LOOKS; look++) {
    const open = [...looks].filter(([, history]) => history.length === 0 || !sameAll(history.at(-1)!));
    if (open.length === 0) break;
    await delay(LOOK_AGAIN_MS);
    for (const [path, history] of open) history.push(await Promise.all(servers.map((server) => lookAt(server, path))));
  }
  return looks;
}

/**
 * `different` takes proof: at one and the same revision two servers hold different things, or none of them changed over all the looks and still they
 * are not alike. One that is late has changed by the last look.
 */
export function judge(history: readonly Seen[][]): 'same' | 'different' | 'moving' {
  const last = history.at(-1);
  if (!last || sameAll(last)) return 'same';
  if (history.some(contradict)) return 'different';
  const still = history.every((look) => look.every((seen, server) => same(seen, last[server])));
  return still ? 'different' : 'moving';
}

function contradict(look: readonly Seen[]): boolean {
  return look.some((a, i) => look.slice(i + 1).some((b) => a && b && a.modifyRevision === b.modifyRevision && !same(a, b)));
}

const sameAll = (look: readonly Seen[]): boolean => look.every((seen) => same(seen, look[0]));

function same(a: Seen, b: Seen): boolean {
  if (!a || !b) return a === b;
  return (
    a.modifyRevision === b.modifyRevision &&
    a.createRevision === b.createRevision &&
    a.version === b.version &&
    a.ephemeralOwner === b.ephemeralOwner &&
    a.creator === b.creator &&
    Buffer.compare(a.value, b.value) === 0
  );
}
