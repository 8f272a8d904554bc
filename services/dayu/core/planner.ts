/**
 * The planner: from what is wanted and what is there to who comes after whom. It decides all; whoever carries the plan out decides nothing.
 *
 * Racks are failure domains: what is new in a wave can break at most one of them. So a wave never crosses racks, and the next rack begins when the
 * one before is done. The canary comes first, in the first rack that has work.
 *
 * Of every plan:
 *  1. Each target is in exactly one step, or in `unchanged`.
 *  2. The nodes of a wave are of one rack, at least one, and at most `canary` or `waveSize`.
 *  3. Canary waves come before all others and hold min(canary, all steps) nodes together.
 *  4. 1 ≤ maxUnavailable ≤ targets.
 */
import { DayuError, type Placement, type PlanFacts, type Rollout, type RolloutPlan } from '../contract.ts';
import { resolveCount } from './rollout.ts';

type Node = PlanFacts['nodes'][number];
export type Wave = RolloutPlan['waves'][number];

/** @throws DayuError UnknownNode, with what is there; InvalidRollout when there is no node at all */
export function plan(rollout: Rollout, facts: PlanFacts): RolloutPlan {
  const placements = new Map(facts.placements.map((placement) => [placement.node, placement]));
  const targets = targetsOf(rollout, facts);
  const runsAlready = ({ id }: Node): boolean => isSame(placements.get(id), facts);
  const changing = targets.filter((node) => !runsAlready(node));

  const canaries = changing.slice(0, rollout.canary);
  const others = changing.slice(rollout.canary);
  const waveSize = resolveCount(rollout.waveSize, targets.length, 'up');
  const step = ({ id }: Node) => {
    const from = placements.get(id)?.version;
    return { node: id, ...(from === undefined ? {} : { from }), to: rollout.version };
  };
  const wavesOf = (kind: Wave['kind'], nodes: Node[], size: number, because: (wave: Node[], rack: Node[]) => string): Wave[] =>
    byRack(nodes).flatMap(([rack, members]) =>
      slices(members, size).map((wave) => ({ kind, rack, steps: wave.map(step), because: because(wave, members) })),
    );
  const of = targets.length;
  const share = typeof rollout.waveSize === 'string' ? `${rollout.waveSize} of ${of}` : `${rollout.waveSize}`;
  const rackNote = (rack: Node[], kind: string): string => `${rack.length} of ${of} targets are ${kind} in ${rack[0]!.rack}`;
  return {
    application: rollout.application,
    version: rollout.version,
    waves: [
      ...wavesOf(
        'canary',
        canaries,
        Math.max(1, canaries.length),
        (wave) => `${wave.length} of ${of} targets first, to see whether ${rollout.version} is well before others get it`,
      ),
      ...wavesOf(
        'wave',
        others,
        waveSize,
        (_wave, rack) => `${rackNote(rack, 'left')}; a wave has at most ${waveSize} nodes (${share}), all of one rack`,
      ),
    ],
    unchanged: targets.filter(runsAlready).map(({ id }) => id),
    maxUnavailable: resolveCount(rollout.maxUnavailable, of, 'down'),
  };
}

/** The nodes that will run it, in the order in which they get it: by rack, and by name within a rack. */
function targetsOf({ application, targets }: Rollout, { nodes, placements }: PlanFacts): Node[] {
  const there = new Map(nodes.map((node) => [node.id, node]));
  const racks = new Set(nodes.map(({ rack }) => rack));
  const known = nodes.map(({ id }) => id).sort(compareNames);
  const unknown = (message: string): DayuError =>
    new DayuError('UnknownNode', `${message}; there are ${known.join(', ') || 'none'}`, { details: { nodes: known } });

  const wanted = new Set<string>();
  if (targets) {
    for (const rack of targets.racks ?? []) if (!racks.has(rack)) throw unknown(`no node is in rack ${rack}`);
    for (const node of nodes) if (targets.racks?.includes(node.rack)) wanted.add(node.id);
    for (const id of targets.nodes ?? []) wanted.add(id);
  } else {
    for (const { node } of placements) wanted.add(node);
    if (wanted.size === 0) for (const { id } of nodes) wanted.add(id);
  }
  const missing = [...wanted].filter((id) => !there.has(id)).sort(compareNames);
  if (missing.length > 0)
    throw unknown(
      targets
        ? `${list(missing)} not there`
        : `${application} runs on ${missing.join(', ')}, and ${list(missing)} not there now: name the nodes to go to, or bring ${missing.length > 1 ? 'them' : 'it'} back`,
    );
  if (wanted.size === 0) throw unknown('there is no node to run it on');
  return [...wanted].map((id) => there.get(id)!).sort((a, b) => compareNames(a.rack, b.rack) || compareNames(a.id, b.id));
}

const list = (nodes: string[]): string => `${nodes.join(', ')} ${nodes.length > 1 ? 'are' : 'is'}`;

function isSame(placement: Placement | undefined, { deployment }: PlanFacts): boolean {
  if (!placement || placement.settled === false) return false;
  return placement.version === deployment.release.version && placement.configuration === deployment.configuration.version;
}

function byRack(nodes: Node[]): [string, Node[]][] {
  const racks = new Map<string, Node[]>();
  for (const node of nodes) racks.set(node.rack, [...(racks.get(node.rack) ?? []), node]);
  return [...racks];
}

function slices<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** `node-2` before `node-10`. */
export function compareNames(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [];
  const right = b.match(/\d+|\D+/g) ?? [];
  for (const [i, part] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const byNumber = Number(part) - Number(other);
    if (byNumber) return byNumber;
    if (part !== other) return part < other ? -1 : 1;
  }
  return left.length - right.length;
}
