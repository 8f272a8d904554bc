import { createMetrics, tellWhenAsked } from '../base/metrics.ts';
import type { Group } from './group/group.ts';
import type { Storage } from './log/port.ts';
import { NUWA_METRICS } from './metrics.ts';
import type { Watchers } from './watchers.ts';

type Name = keyof typeof NUWA_METRICS;

/** Makes what this server does a part of its process's metrics. */
export function tellNuwa({ group, watchers, storage }: { group: Group; watchers: Watchers; storage: Storage }): { stop(): void } {
  const metrics = createMetrics(NUWA_METRICS);
  const { counts } = group;
  const status = () => group.status();
  const values: Partial<Record<Name, () => number>> = {
    leader: () => (group.leader === group.id ? 1 : 0),
    hasLeader: () => (group.leader === undefined ? 0 : 1),
    writable: () => (group.writable ? 1 : 0),
    term: () => status().term,
    elections: () => counts.led,
    leaderChanges: () => counts.leaderChanges,
    lastIndex: () => status().lastIndex,
    commitIndex: () => status().commitIndex,
    appliedIndex: () => group.state.index,
    peersLost: () => counts.peersLost,
    sessions: () => group.state.sessions.size,
    sessionsExpired: () => group.sessionsExpired,
    watches: () => watchers.size,
    nodes: () => group.state.nodes,
    revision: () => group.state.revision,
    commits: () => counts.commit.count,
    proposals: () => counts.proposals,
    reads: () => counts.reads,
    unanswered: () => counts.unanswered,
    logBytes: () => storage.logBytes,
    snapshotBytes: () => storage.newestSnapshot().bytes,
    snapshotFailures: () => group.snapshots.failures,
    snapshotFetchFailures: () => group.snapshots.fetchFailures,
    snapshotIndex: () => storage.newestSnapshot().index,
  };
  const untell = [
    ...Object.entries(values).map(([name, value]) => tellWhenAsked(metrics[name as Name], () => [{ value: value() }])),
    tellWhenAsked(metrics.commitSeconds, () => counts.commit.samples()),
    tellWhenAsked(metrics.syncSeconds, () => counts.sync.samples()),
    tellWhenAsked(metrics.peerLag, () => {
      const { progress, lastIndex } = status();
      return progress.map(({ id, matchIndex }) => ({ labels: { peer: id }, value: lastIndex - matchIndex }));
    }),
    tellWhenAsked(metrics.peerActive, () => status().progress.map(({ id, active }) => ({ labels: { peer: id }, value: active ? 1 : 0 }))),
    tellWhenAsked(metrics.members, () => group.config.members.map(({ role }) => ({ labels: { part: role }, value: 1 }))),
  ];
  return {
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}
