import { NUWA_METRICS } from '../../services/nuwa/metrics.ts';
import { max, orZero, series, sum } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

/** A follower that is well is a few entries behind; one that falls behind by this much in a busy minute does not keep up. */
const LAG_ENTRIES_MAX = 10_000;

export const nuwaAlerts: AlertGroup = {
  name: 'feitian-nuwa',
  alerts: [
    {
      name: 'NuwaWithoutLeader',
      // With nobody to ask there is no series, which is as bad as a zero.
      expression: `(${orZero(sum(series(NUWA_METRICS.leader)))}) == 0`,
      for: '30s',
      severity: 'critical',
      summary: 'No Nuwa server leads',
      description:
        'More than half of the servers must answer each other for one to lead. Processes that run go on with what they know. Nobody can register, be found anew or take a lock; sessions do not expire meanwhile.',
    },
    {
      name: 'NuwaServerDown',
      // The leader's word, by the name of the server; it is there also for one whose metrics nobody can read.
      expression: `${max(series(NUWA_METRICS.peerActive), 'peer')} == 0`,
      // A restart is through by then.
      for: '1m',
      severity: 'warning',
      summary: 'Nuwa server {{ $labels.peer }} does not answer the leader',
      description:
        'The group serves as long as more than half of it is there, and its clients went to the others. A group of three stops at the next loss.',
    },
    {
      name: 'NuwaUnwritable',
      expression: `${series(NUWA_METRICS.writable)} == 0`,
      for: '0s',
      severity: 'critical',
      summary: 'The Nuwa server at {{ $labels.instance }} cannot write its log',
      description:
        'A write or a sync failed, so nobody knows what its disk holds. It takes part no more and never tries again by itself; the others go on without it.',
    },
    {
      name: 'NuwaSnapshotsFail',
      // One is tried a minute; one that failed for a moment's want of room is followed by one that does not.
      expression: `${series(NUWA_METRICS.snapshotFailures)} >= 3`,
      for: '0s',
      severity: 'warning',
      summary: 'The Nuwa server at {{ $labels.instance }} cannot make snapshots',
      description:
        'Its log grows with every change, on its disk and in its memory, until a snapshot takes the place of it: a full disk then ends its writes.',
    },
    {
      name: 'NuwaFollowerLags',
      expression: `${max(series(NUWA_METRICS.peerLag), 'peer')} > ${LAG_ENTRIES_MAX} and ${max(series(NUWA_METRICS.peerActive), 'peer')} == 1`,
      for: '2m',
      severity: 'warning',
      summary: 'Nuwa server {{ $labels.peer }} is {{ $value }} entries behind',
      description:
        'It answers and does not keep up: its clients read late, and it is no help when another server is lost. One that was away catches up by itself within the time that this alert waits.',
    },
  ],
};
