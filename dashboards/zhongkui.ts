import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { KUAFU_METRICS } from '../services/kuafu/metrics.ts';
import { ZHONGKUI_METRICS } from '../services/zhongkui/metrics.ts';
import { board, choice, type Settings } from './board.ts';
import { graph, stat } from './panels.ts';
import { like, max, min, not, orZero, rate, series, sum, top } from './promql.ts';

const HERE = { role: like('$role') };

/** Who is let in and who is not, and for how long what decides that is good. */
export function zhongkuiDashboard(settings: Settings): Dashboard {
  return board('zhongkui', 'Zhongkui', 'Who is let in, who is refused, and how long keys are good.', settings)
    .withVariable(choice('role', 'role', ZHONGKUI_METRICS.revocations))
    .withPanel(
      stat({
        title: 'Refused calls',
        description:
          'Calls in a second that were refused for who made them. Not nought for long: somebody lacks a right, or tries what is not his.',
        unit: 'reqps',
        expression: orZero(sum(rate(ZHONGKUI_METRICS.refusals, HERE))),
      }).span(6),
    )
    .withPanel(
      stat({
        title: 'Turned away',
        description:
          'Credentials in a second that were none: forged, expired, revoked. Not nought for long: somebody has an old key, or none.',
        unit: 'reqps',
        expression: orZero(sum(rate(ZHONGKUI_METRICS.admissions, { ...HERE, outcome: not('admitted') }))),
      }).span(6),
    )
    .withPanel(
      stat({
        title: 'Shortest token',
        description: 'Until the first of all tokens of processes ends. Below two days: nobody renews it.',
        unit: 's',
        expression: min(series(ZHONGKUI_METRICS.tokenSeconds, HERE)),
      }).span(6),
    )
    .withPanel(
      stat({
        title: 'Oldest picture of revocations',
        description: 'How long ago the process that knows least had all revocations for sure. At 30 s it lets nobody in.',
        unit: 's',
        expression: max(series(ZHONGKUI_METRICS.revocationsAgeSeconds, HERE)),
      }).span(6),
    )
    .withPanel(
      graph({
        title: 'Credentials shown',
        description: 'Each connection shows them once for each identity. Many of one process: its connections do not last.',
        unit: 'reqps',
        queries: [{ expression: sum(rate(ZHONGKUI_METRICS.admissions, HERE), 'outcome'), legend: '{{outcome}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Refusals by service',
        description:
          'Unauthenticated: nobody that is known. PermissionDenied: somebody without the right. Who and what for is in the audit log (zhongkui.refused).',
        unit: 'reqps',
        queries: [{ expression: sum(rate(ZHONGKUI_METRICS.refusals, HERE), 'service', 'code'), legend: '{{service}} {{code}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Refusals by method',
        description: 'The ten methods that are refused most, as Kuafu counts them before they reach a handler.',
        unit: 'reqps',
        queries: [
          {
            expression: top(
              10,
              sum(rate(KUAFU_METRICS.refused, { ...HERE, code: like('PermissionDenied|Unauthenticated') }), 'service', 'method'),
            ),
            legend: '{{service}}.{{method}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Revocations',
        description:
          'What is revoked and has not ended by itself, as each role knows it. Roles that differ for long do not hear from Nuwa.',
        unit: 'short',
        queries: [{ expression: max(series(ZHONGKUI_METRICS.revocations, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Age of the picture of revocations',
        description: 'Asked for every ten seconds. Above that Nuwa is slow to answer; at 30 s the process lets nobody in until it does.',
        unit: 's',
        queries: [{ expression: max(series(ZHONGKUI_METRICS.revocationsAgeSeconds, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Tokens',
        description:
          'Until the end of the own token of processes, by role. A line that reaches nought: the processes are refused everywhere.',
        unit: 's',
        queries: [{ expression: min(series(ZHONGKUI_METRICS.tokenSeconds, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Certificates',
        description:
          'Until the end of the certificate of machines, by role; renewed when a third is left. Nothing where machines speak without TLS.',
        unit: 's',
        queries: [{ expression: min(series(ZHONGKUI_METRICS.certificateSeconds, HERE), 'role'), legend: '{{role}}' }],
      }),
    )
    .build();
}
