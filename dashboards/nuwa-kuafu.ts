import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { KUAFU_METRICS } from '../services/kuafu/metrics.ts';
import { NUWA_METRICS } from '../services/nuwa/metrics.ts';
import { board, choice, type Settings } from './board.ts';
import { graph, stat } from './panels.ts';
import { like, max, not, orZero, quantile, rate, series, sum, top } from './promql.ts';

const HERE = { role: like('$role') };

/** What everybody stands on: who can be found, and how calls go. */
export function nuwaKuafuDashboard(settings: Settings): Dashboard {
  return board('nuwa-kuafu', 'Nuwa and Kuafu', 'Coordination, and the calls between all processes.', settings)
    .withVariable(choice('role', 'role', KUAFU_METRICS.connections))
    .withPanel(
      stat({
        title: 'Leader',
        description: 'Whether a server of Nuwa takes changes. Without one nobody can register or be found anew.',
        unit: 'short',
        limits: { orange: 1, red: 0.5 },
        words: { 0: 'none', 1: 'there' },
        expression: orZero(sum(series(NUWA_METRICS.leader))),
      }),
    )
    .withPanel(
      stat({
        title: 'Sessions',
        description: 'Live sessions: about one for each process.',
        unit: 'short',
        expression: max(series(NUWA_METRICS.sessions)),
      }),
    )
    .withPanel(
      stat({
        title: 'Watches',
        description: 'Polls that wait for a change.',
        unit: 'short',
        expression: max(series(NUWA_METRICS.watches)),
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
      stat({
        title: 'Log since snapshot',
        description: 'Bytes that a restart has to read. It falls at each snapshot.',
        unit: 'bytes',
        limits: { orange: 256 * 1_048_576, red: 1_073_741_824 },
        expression: max(series(NUWA_METRICS.logBytes)),
      }),
    )
    .withPanel(
      stat({
        title: 'Revision',
        description: 'Changes of the tree since it began. Far apart on two servers: one of them is behind.',
        unit: 'none',
        expression: max(series(NUWA_METRICS.revision)),
      }),
    )
    .withPanel(
      graph({
        title: 'Commits',
        description: 'Commands that were put on disk in a second. Near zero at rest: keeping sessions alive writes nothing.',
        unit: 'ops',
        queries: [{ expression: sum(rate(NUWA_METRICS.commits)), legend: 'commits' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a commit',
        description: 'From a command to its being on disk. Above 0.1 s the disk is slow, and so is everything that registers.',
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
        title: 'Sessions and watches',
        description: 'How many there are. A step down is a process that went away, or many at once: the network, or Nuwa itself.',
        unit: 'short',
        queries: [
          { expression: max(series(NUWA_METRICS.sessions)), legend: 'sessions' },
          { expression: max(series(NUWA_METRICS.watches)), legend: 'watches' },
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
        title: 'Calls by method',
        description: 'The ten methods that are called most, in a second, as their servers count them.',
        unit: 'reqps',
        queries: [
          {
            expression: top(10, sum(rate(KUAFU_METRICS.calls, { ...HERE, side: 'server' }), 'service', 'method')),
            legend: '{{service}}.{{method}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Calls that failed',
        description:
          'Calls that ended with a code other than OK, as their callers see them, by code. UNAVAILABLE beside a restart is normal.',
        unit: 'reqps',
        queries: [
          {
            expression: sum(rate(KUAFU_METRICS.calls, { ...HERE, side: 'client', code: not('OK') }), 'service', 'code'),
            legend: '{{service}} {{code}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a call at the server, 99th percentile',
        description: 'From the request to the reply, the ten slowest methods. Polls wait on purpose.',
        unit: 's',
        queries: [
          {
            expression: top(10, quantile(0.99, KUAFU_METRICS.callSeconds, ['service', 'method'], { ...HERE, side: 'server' })),
            legend: '{{service}}.{{method}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a call at the caller, 99th percentile',
        description: 'With retries and the way there and back. Far above the time at the server: retries, or busy processes.',
        unit: 's',
        queries: [
          {
            expression: top(10, quantile(0.99, KUAFU_METRICS.callSeconds, ['service', 'method'], { ...HERE, side: 'client' })),
            legend: '{{service}}.{{method}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Calls under way',
        description: 'Calls that servers are at, by role. Rising without end: more comes in than is done.',
        unit: 'short',
        queries: [{ expression: sum(series(KUAFU_METRICS.callsInFlight, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Connections',
        description: 'Open connections by role; each has two ends, a client and a server.',
        unit: 'short',
        queries: [{ expression: sum(series(KUAFU_METRICS.connections, HERE), 'role', 'side'), legend: '{{role}} {{side}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Bytes',
        description: 'Bytes of frames in a second, by role. What a chunk server sends are reads; what it gets are writes.',
        unit: 'Bps',
        queries: [{ expression: sum(rate(KUAFU_METRICS.bytes, HERE), 'role', 'direction'), legend: '{{role}} {{direction}}' }],
      }),
    )
    .build();
}
