import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { NUWA_METRICS } from '../services/nuwa/metrics.ts';
import { board, type Settings } from './board.ts';
import { graph, stat } from './panels.ts';
import { max, orZero, quantile, rate, series, sum } from './promql.ts';

/** The group that everybody stands on: who leads, whether the others keep up, and what its clients get. */
export function nuwaDashboard(settings: Settings): Dashboard {
  return board('nuwa', 'Nuwa', 'The coordination service: its group of servers, and what they hold.', settings)
    .withPanel(
      stat({
        title: 'Leader',
        description: 'Whether a server leads the group. Without one nothing can be changed, and nobody can register or be found anew.',
        unit: 'short',
        limits: { orange: 1, red: 0.5 },
        words: { 0: 'none', 1: 'there' },
        expression: orZero(sum(series(NUWA_METRICS.leader))),
      }),
    )
    .withPanel(
      stat({
        title: 'Members that answer',
        description: 'The share of the other members that the leader hears of. At half of all or below, the next loss stops the group.',
        unit: 'percentunit',
        limits: { orange: 0.99, red: 0.5 },
        expression: `avg (${series(NUWA_METRICS.peerActive)})`,
      }),
    )
    .withPanel(
      stat({
        title: 'Servers that cannot write',
        description: 'Servers whose disk failed or is full. They take part no more until they are started again.',
        unit: 'short',
        limits: { red: 1 },
        expression: sum(`1 - ${series(NUWA_METRICS.writable)}`),
      }),
    )
    .withPanel(
      stat({
        title: 'Term',
        description: 'Grows with each election. A number that climbs by itself: servers do not hear each other in time.',
        unit: 'none',
        expression: max(series(NUWA_METRICS.term)),
      }),
    )
    .withPanel(
      stat({
        title: 'Sessions',
        description: 'Live sessions: about two for each process.',
        unit: 'short',
        expression: max(series(NUWA_METRICS.sessions)),
      }),
    )
    .withPanel(
      stat({
        title: 'Nodes of the tree',
        description: 'Small values kept, and directories.',
        unit: 'short',
        expression: max(series(NUWA_METRICS.nodes)),
      }),
    )
    .withPanel(
      graph({
        title: 'Who leads',
        description: 'One line at 1, the others at 0. Two at 1 for more than a moment: one of them was cut off and does not know yet.',
        unit: 'short',
        queries: [{ expression: series(NUWA_METRICS.leader), legend: '{{instance}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Elections',
        description:
          'Servers that began to lead, changes of whom a server follows, and connections between servers that broke, in a second.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(NUWA_METRICS.elections)), legend: 'began to lead' },
          { expression: sum(rate(NUWA_METRICS.leaderChanges)), legend: 'follow another, or none' },
          { expression: sum(rate(NUWA_METRICS.peersLost)), legend: 'connections lost' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Servers that know of a leader',
        description: 'Fewer than there are: one is cut off, or all of them elect.',
        unit: 'short',
        queries: [
          { expression: sum(series(NUWA_METRICS.hasLeader)), legend: 'know of a leader' },
          { expression: max(sum(series(NUWA_METRICS.members), 'instance', 'part'), 'part'), legend: 'members: {{part}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Changes and reads',
        description: 'What clients ask for in a second. Near zero at rest: keeping sessions alive writes nothing.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(NUWA_METRICS.proposals)), legend: 'changes asked for' },
          { expression: sum(rate(NUWA_METRICS.commits)), legend: 'changes answered' },
          { expression: sum(rate(NUWA_METRICS.reads)), legend: 'linearizable reads' },
          { expression: sum(rate(NUWA_METRICS.unanswered)), legend: 'not answered by the group' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a commit',
        description:
          'From a change to its being committed and applied. Above 0.1 s disks or the network are slow, and so is everything that registers.',
        unit: 's',
        limits: { orange: 0.1, red: 1 },
        queries: [
          { expression: quantile(0.5, NUWA_METRICS.commitSeconds), legend: 'median' },
          { expression: quantile(0.99, NUWA_METRICS.commitSeconds), legend: '99th percentile' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a sync, 99th percentile',
        description: 'Writing to the log until it is on the disk. One server far above the others: its disk.',
        unit: 's',
        limits: { orange: 0.05, red: 0.5 },
        queries: [{ expression: quantile(0.99, NUWA_METRICS.syncSeconds, ['instance']), legend: '{{instance}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Followers behind the leader',
        description: 'Entries that the leader has and a member is not known to have. Growing: the member is too slow, or gone.',
        unit: 'short',
        queries: [{ expression: max(series(NUWA_METRICS.peerLag), 'peer'), legend: '{{peer}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Applied behind committed',
        description: 'Entries that are committed and not applied yet, by server. Growing: a server has too little of a processor.',
        unit: 'short',
        queries: [{ expression: `${series(NUWA_METRICS.commitIndex)} - ${series(NUWA_METRICS.appliedIndex)}`, legend: '{{instance}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Entries in a second',
        description: 'Entries that came into the log; many changes share one. Without changes only new terms and members.',
        unit: 'ops',
        queries: [{ expression: max(`deriv(${series(NUWA_METRICS.lastIndex)}[1m])`), legend: 'entries' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Log and snapshot',
        description:
          'Bytes of log since the newest snapshot, which a restart has to apply, and of that snapshot. The log falls at each snapshot.',
        unit: 'bytes',
        queries: [
          { expression: series(NUWA_METRICS.logBytes), legend: 'log, {{instance}}' },
          { expression: series(NUWA_METRICS.snapshotBytes), legend: 'snapshot, {{instance}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Entries since the snapshot',
        description:
          'Entries in the log that no snapshot stands for yet. It falls at each snapshot; never falling: snapshots fail, which is an alert.',
        unit: 'short',
        queries: [{ expression: `${series(NUWA_METRICS.appliedIndex)} - ${series(NUWA_METRICS.snapshotIndex)}`, legend: '{{instance}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Snapshots that failed',
        description:
          'Since the last one that could be made; one is tried a minute. Above zero the log of that server only grows. Fetched: of the leader, by a server that lags; above zero it cannot catch up.',
        unit: 'short',
        queries: [
          { expression: series(NUWA_METRICS.snapshotFailures), legend: 'not made, {{instance}}' },
          { expression: series(NUWA_METRICS.snapshotFetchFailures), legend: 'not fetched, {{instance}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Sessions and watches',
        description: 'How many there are. A step down is a process that went away, or many at once: the network, or Nuwa itself.',
        unit: 'short',
        queries: [
          { expression: max(series(NUWA_METRICS.sessions)), legend: 'sessions' },
          { expression: sum(series(NUWA_METRICS.watches)), legend: 'watches' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Sessions that expired',
        description: 'Sessions in a second whose owner fell silent: it was killed, it hangs, or it can no longer be reached.',
        unit: 'ops',
        queries: [{ expression: sum(rate(NUWA_METRICS.sessionsExpired)), legend: 'expired' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Changes of the tree',
        description: 'The revision that each server is at, as a rate. Far apart on two servers: one of them is behind.',
        unit: 'ops',
        queries: [{ expression: `deriv(${series(NUWA_METRICS.revision)}[1m])`, legend: '{{instance}}' }],
      }),
    )
    .build();
}
