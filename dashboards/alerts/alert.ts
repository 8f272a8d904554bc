/** One alert: when it fires, how bad that is, and what to do. The rest of a Prometheus rule is the same for all and is made of it. */
export interface Alert {
  /** In CamelCase, as people know it from Alertmanager. Its page is `runbooks/<name in kebab-case>.md`. */
  name: string;
  /** True for each series that it gives. */
  expression: string;
  /** How long it must hold before it fires: as long as what mends itself may take. @default '0s' */
  for?: string;
  /** `critical`: somebody is without something now. `warning`: will be, or less copies, or one job. */
  severity: 'critical' | 'warning';
  /** One line, for a list; both may name labels as `{{ $labels.node }}` and the value as `{{ $value }}`. */
  summary: string;
  /** What it means and what happens by itself: two or three sentences. */
  description: string;
}

export interface AlertGroup {
  name: string;
  alerts: readonly Alert[];
}

/** @returns what Prometheus reads as a file of rules. `runbooks`: the address below which the pages are. */
export function ruleFile(groups: readonly AlertGroup[], runbooks: string): object {
  return {
    groups: groups.map(({ name, alerts }) => ({
      name,
      rules: alerts.map((alert) => ({
        alert: alert.name,
        expr: alert.expression,
        ...(alert.for ? { for: alert.for } : {}),
        labels: { severity: alert.severity },
        annotations: {
          summary: alert.summary,
          description: alert.description,
          runbook_url: `${runbooks.replace(/\/+$/, '')}/${runbookOf(alert.name)}`,
        },
      })),
    })),
  };
}

export function runbookOf(alert: string): string {
  return `${alert.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.md`;
}
