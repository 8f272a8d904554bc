import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { KUAFU_METRICS } from '../services/kuafu/metrics.ts';
import { board, choice, type Settings } from './board.ts';
import { graph, stat } from './panels.ts';
import { like, not, quantile, rate, series, sum, top } from './promql.ts';

const HERE = { role: like('$role') };

/** How calls between processes go. */
export function kuafuDashboard(settings: Settings): Dashboard {
  return board('kuafu', 'Kuafu', 'The calls between all processes.', settings)
    .withVariable(choice('role', 'role', KUAFU_METRICS.connections))
    .withPanel(
      stat({
        title: 'Calls',
        description: 'Calls in a second, as all servers count them. Polls that wait are counted when they end.',
        unit: 'reqps',
        expression: sum(rate(KUAFU_METRICS.calls, { ...HERE, side: 'server' })),
      }).span(12),
    )
    .withPanel(
      stat({
        title: 'Open connections',
        description: 'Connections that clients hold. Far more than processes times services: connections are not reused.',
        unit: 'short',
        expression: sum(series(KUAFU_METRICS.connections, { ...HERE, side: 'client' })),
      }).span(12),
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
        title: 'Calls that were refused',
        description:
          'Calls that servers refused before they ran, by method and code. PermissionDenied and Unauthenticated: somebody calls who may not. Overloaded: more comes than is worked off.',
        unit: 'reqps',
        queries: [
          {
            expression: top(10, sum(rate(KUAFU_METRICS.refused, HERE), 'service', 'method', 'code')),
            legend: '{{service}}.{{method}} {{code}}',
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
    .withPanel(
      graph({
        title: 'Bytes by method',
        description: 'Bodies and attachments in a second, of the ten methods that move most, as their servers count them.',
        unit: 'Bps',
        queries: [
          {
            expression: top(10, sum(rate(KUAFU_METRICS.methodBytes, { ...HERE, side: 'server' }), 'service', 'method', 'direction')),
            legend: '{{service}}.{{method}} {{direction}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Messages of streams',
        description: 'Messages in a second, by method, as their servers count them.',
        unit: 'cps',
        queries: [
          {
            expression: top(10, sum(rate(KUAFU_METRICS.streamMessages, { ...HERE, side: 'server' }), 'service', 'method', 'direction')),
            legend: '{{service}}.{{method}} {{direction}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Senders that wait for credit',
        description: 'Sends of streams whose reader is slower than they are, and what came and is not read yet.',
        unit: 'short',
        queries: [
          { expression: sum(series(KUAFU_METRICS.creditWaiting, HERE), 'service', 'method'), legend: '{{service}}.{{method}} wait' },
          { expression: sum(series(KUAFU_METRICS.unreadBytes, HERE), 'role'), legend: '{{role}} unread bytes' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Waiting for credit',
        description: 'Sends that had to wait, in a second, and for how many seconds they did, in a second.',
        unit: 'short',
        queries: [
          { expression: sum(rate(KUAFU_METRICS.creditWaits, HERE), 'service', 'method'), legend: '{{service}}.{{method}} waits' },
          { expression: sum(rate(KUAFU_METRICS.creditWaitSeconds, HERE), 'service', 'method'), legend: '{{service}}.{{method}} seconds' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Breakers that opened',
        description: 'How often in a second clients left an instance alone because its tries failed. Some beside a restart are normal.',
        unit: 'cps',
        queries: [{ expression: sum(rate(KUAFU_METRICS.breakersOpened, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Second tries of late calls',
        description:
          'Hedged calls: won, the second answer counted; lost, it was made for nothing; withheld, there were too many already: a service is slow as a whole.',
        unit: 'cps',
        queries: [{ expression: sum(rate(KUAFU_METRICS.hedges, HERE), 'role', 'outcome'), legend: '{{role}} {{outcome}}' }],
      }),
    )
    .build();
}
