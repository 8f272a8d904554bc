import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  ReduceDataOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardLinkBuilder,
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The Prometheus data source that provisioning makes; the same uid in every dashboard. */
export const DATASOURCE = { type: 'prometheus', uid: 'feitian-prometheus' };

interface Described {
  title: string;
  /** What it shows and what a bad sign looks like: one sentence each. */
  description: string;
  /** A unit of Grafana's: `s`, `reqps`, `bytes`, `percentunit`, `short`, … */
  unit: string;
  /** Where it turns orange and red: at and above these, or at and below them when `red` is the lower one. */
  limits?: { orange?: number; red: number };
  /** Where a click on a value leads. */
  link?: Link;
}

export interface Link {
  title: string;
  /** May name variables of the dashboard, and labels as `${__field.labels.<label>}`. */
  url: string;
}

export interface Graph extends Described {
  queries: { expression: string; legend: string }[];
}

/** Every graph reads the same way: from zero, one line per legend, described. */
export function graph({ title, description, unit, limits, link, queries }: Graph): GraphBuilder {
  const panel = new GraphBuilder().title(title).description(description).unit(unit).min(0).span(12).height(8).datasource(DATASOURCE);
  panel.fillOpacity(8).thresholds(thresholds(limits));
  if (limits) panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  if (link) panel.dataLinks([dataLink(link)]);
  for (const [i, { expression, legend }] of queries.entries()) panel.withTarget(query(i, expression).range().legendFormat(legend));
  return panel;
}

export interface Stat extends Described {
  expression: string;
  /** Words for values, such as `{ 0: 'no leader', 1: 'leader' }`. */
  words?: Record<string, string>;
}

/** One number, as it is now, with its past behind it. */
export function stat({ title, description, unit, limits, link, expression, words }: Stat): StatBuilder {
  const panel = new StatBuilder().title(title).description(description).unit(unit).span(4).height(4).datasource(DATASOURCE);
  panel.reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  panel.colorMode(limits ? BigValueColorMode.Background : BigValueColorMode.Value).graphMode(BigValueGraphMode.Area);
  panel.thresholds(thresholds(limits));
  if (link) panel.dataLinks([dataLink(link)]);
  if (words) {
    const options = Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }]));
    panel.mappings([{ type: 'value', options } as Parameters<typeof panel.mappings>[0][number]]);
  }
  return panel.withTarget(query(0, expression).range());
}

export interface Table extends Described {
  /** One query whose series are the rows. */
  expression: string;
  /** Labels that are columns, in their order, with the titles they get; the value comes last. */
  columns: Record<string, string>;
  value: string;
}

/** A row for each series as it is now; a click on a cell follows the link, which names labels as `${__data.fields["<title>"]}`. */
export function table({ title, description, unit, limits, link, expression, columns, value }: Table): TableBuilder {
  const panel = new TableBuilder().title(title).description(description).span(24).height(8).unit(unit).datasource(DATASOURCE);
  panel.thresholds(thresholds(limits));
  if (link) panel.dataLinks([dataLink(link)]);
  const order = [...Object.keys(columns), 'Value'];
  panel.withTransformation({ id: 'filterFieldsByName', options: { include: { names: order } } });
  panel.withTransformation({
    id: 'organize',
    options: {
      indexByName: Object.fromEntries(order.map((name, index) => [name, index])),
      renameByName: { ...columns, Value: value },
    },
  });
  return panel.withTarget(query(0, expression).instant().format(PromQueryFormat.Table));
}

/** The texts of all queries of a dashboard that was built, with the panels they belong to. */
export function queriesOf({ panels = [] }: Dashboard): { panel: string; expression: string }[] {
  return panels.flatMap((panel) => {
    const { title = '', targets = [] } = panel as Panel;
    return targets.map((target) => ({ panel: title, expression: (target as unknown as { expr: string }).expr }));
  });
}

function query(index: number, expression: string): DataqueryBuilder {
  return new DataqueryBuilder().refId(String.fromCharCode(65 + index)).expr(expression);
}

function dataLink({ title, url }: Link): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).url(url).targetBlank(true);
}

function thresholds(limits: Described['limits']): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(limits ? steps(limits) : [{ value: null, color: 'green' }]);
}

/** Each step colours from its value upwards; the first has none and is where everything begins. */
function steps({ orange, red }: { orange?: number; red: number }): Threshold[] {
  if (orange === undefined || orange < red) {
    return [
      { value: null, color: 'green' },
      ...(orange === undefined ? [] : [{ value: orange, color: 'orange' }]),
      { value: red, color: 'red' },
    ];
  }
  return [
    { value: null, color: 'red' },
    { value: red, color: 'orange' },
    { value: orange, color: 'green' },
  ];
}
