/** A webhook as Alertmanager 0.26 sends it, with one alert. */
export function webhook(alert: Partial<ReturnType<typeof firing>> = {}) {
  return {
    version: '4',
    groupKey: '{}:{alertname="NodeDown"}',
    truncatedAlerts: 0,
    status: alert.status ?? 'firing',
    receiver: 'shennong',
    groupLabels: { alertname: 'NodeDown' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://127.0.0.1:9093',
    alerts: [{ ...firing(), ...alert }],
  };
}

export function firing() {
  return {
    status: 'firing',
    labels: { alertname: 'NodeDown', severity: 'critical', node: 'node-3', rack: 'rack-b' } as Record<string, string>,
    annotations: { summary: 'node-3 is down', description: 'its Tubo is not registered' } as Record<string, string>,
    startsAt: '2026-03-01T10:00:00.123456789Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://127.0.0.1:9090/graph',
    fingerprint: '0a1b2c3d4e5f6071',
  };
}
