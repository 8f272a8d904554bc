import { describe, expect, test } from 'vitest';
import { parseAlerts } from '../../../../services/shennong/core/alerts.ts';
import { firing, webhook } from '../alert-messages.ts';

const parsed = (body: unknown) => {
  const result = parseAlerts(body);
  if (!result.ok) throw new Error(result.problem);
  return result.anomalies;
};

describe('a webhook', () => {
  test('that fires has no end', () => {
    expect(parsed(webhook())).toEqual([
      {
        fingerprint: '0a1b2c3d4e5f6071',
        startsAtMs: Date.parse('2026-03-01T10:00:00.123Z'),
        state: 'firing',
        alert: 'NodeDown',
        severity: 'critical',
        node: 'node-3',
        summary: 'node-3 is down',
        labels: firing().labels,
        annotations: firing().annotations,
      },
    ]);
  });

  test('that resolves has one', () => {
    const [anomaly] = parsed(webhook({ status: 'resolved', endsAt: '2026-03-01T10:05:00Z' }));
    expect(anomaly).toMatchObject({ state: 'resolved', endsAtMs: Date.parse('2026-03-01T10:05:00Z') });
  });

  test('without severity, node or annotations is told all the same', () => {
    const [anomaly] = parsed(webhook({ labels: { alertname: 'Odd' }, annotations: {} }));
    expect(anomaly).toMatchObject({ alert: 'Odd', severity: 'none', summary: 'Odd' });
    expect(anomaly).not.toHaveProperty('node');
  });

  test('may hold many alerts', () => {
    const body = { ...webhook(), alerts: [firing(), { ...firing(), fingerprint: 'b' }] };
    expect(parsed(body).map(({ fingerprint }) => fingerprint)).toEqual(['0a1b2c3d4e5f6071', 'b']);
  });

  test.each([
    ['nothing', undefined, 'body:'],
    ['another version', { ...webhook(), version: '3' }, 'version:'],
    ['no list', { version: '4', alerts: 'NodeDown' }, 'alerts:'],
    ['an alert without a name', webhook({ labels: { severity: 'critical' } }), 'alerts.0.labels: has no alertname'],
    ['an alert without a time', webhook({ startsAt: 'yesterday' }), 'alerts.0.startsAt:'],
    ['a third status', webhook({ status: 'suppressed' }), 'alerts.0.status:'],
  ])('is refused with the place of what is wrong: %s', (_, body, place) => {
    const result = parseAlerts(body);
    expect(result).toMatchObject({ ok: false });
    expect(result.ok ? '' : result.problem).toContain(place);
  });
});
