import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The Prometheus data source that provisioning makes; the same uid in every dashboard. */
export const DATASOURCE = { type: 'prometheus', uid: 'feitian-prometheus' };

export interface Graph {
  title: string;
  /** What it shows and what a bad sign looks like: one sentence each. */
  description: string;
  /** A unit of Grafana's: `s`, `reqps`, `bytes`, … */
  unit: string;
  queries: { expression: string; legend: string }[];
}

/** Every graph reads the same way: from zero, one line per legend, described. */
export function graph({ title, description, unit, queries }: Graph): PanelBuilder {
  const panel = new PanelBuilder().title(title).description(description).unit(unit).min(0).span(12).height(8).datasource(DATASOURCE);
  for (const [i, { expression, legend }] of queries.entries()) {
    panel.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + i))
        .expr(expression)
        .legendFormat(legend),
    );
  }
  return panel;
}
