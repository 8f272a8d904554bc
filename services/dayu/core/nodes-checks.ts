/** Whether nodes may come or go, given what the cluster is like now. */
import type { Problem } from '../contract.ts';
import type { Expand, Shrink } from '../nodes-contract.ts';

/** What is known of the cluster's nodes. */
export interface ClusterFacts {
  /** Nodes that belong to the cluster, up or not. */
  members: readonly { id: string; rack: string }[];
  /** Chunk servers that are there or hold replicas. */
  servers: readonly { node: string; up: boolean; draining: boolean }[];
  /** The most replicas that any file wants. */
  replicasMax: number;
}

export function expandProblems({ nodes }: Expand, { members, servers }: ClusterFacts): Problem[] {
  return nodes.flatMap(({ id }, i) => {
    const path = `nodes[${i}].id`;
    const member = members.find((each) => each.id === id);
    if (member) return [{ path, message: `${id} belongs to the cluster already, in ${member.rack}` }];
    if (servers.some(({ node }) => node === id)) return [{ path, message: `${id} holds data of this cluster already` }];
    return [];
  });
}

/** `holder`: the workflow of another shrink that is under way. */
export function shrinkProblems({ nodes }: Shrink, facts: ClusterFacts, holder?: string): Problem[] {
  const { members, servers, replicasMax } = facts;
  const problems: Problem[] = [];
  nodes.forEach((id, i) => {
    if (members.some((member) => member.id === id)) return;
    const known = members.map((member) => member.id).join(', ') || 'none';
    problems.push({ path: `nodes[${i}]`, message: `${id} is not a node of this cluster; there are ${known}` });
  });
  const left = servers.filter(({ node, up, draining }) => up && !draining && !nodes.includes(node)).length;
  if (left < 1) problems.push({ path: 'nodes', message: 'no node that is up would be left' });
  else if (left < replicasMax)
    problems.push({
      path: 'nodes',
      message: `${left} ${left === 1 ? 'node that is up' : 'nodes that are up'} would be left, and there are files that want ${replicasMax} replicas`,
    });
  if (holder !== undefined) problems.push({ path: '', message: `another shrink is under way: ${holder}` });
  return problems;
}
