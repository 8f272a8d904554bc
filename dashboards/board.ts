import {
  ConstantVariableBuilder,
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATASOURCE, type Link } from './panels.ts';
import type { Metric } from './promql.ts';

/** What is known only where the dashboards are used. */
export interface Settings {
  /** Address of Temporal's Web UI, as the people who look at the dashboards reach it. */
  temporalUi: string;
  temporalNamespace: string;
}

export const SETTINGS: Settings = { temporalUi: 'http://127.0.0.1:8233', temporalNamespace: 'default' };

/** Every dashboard begins like this: it knows where the Web UI is, and leads to the others. */
export function board(uid: string, title: string, description: string, { temporalUi, temporalNamespace }: Settings): DashboardBuilder {
  return new DashboardBuilder(`Feitian / ${title}`)
    .uid(`feitian-${uid}`)
    .description(description)
    .tags(['feitian'])
    .refresh('10s')
    .time({ from: 'now-30m', to: 'now' })
    .withVariable(new ConstantVariableBuilder('temporal_ui').label('Temporal Web UI').value(temporalUi.replace(/\/+$/, '')))
    .withVariable(new ConstantVariableBuilder('temporal_namespace').label('Temporal namespace').value(temporalNamespace))
    .link(
      new DashboardLinkBuilder('Feitian')
        .type(DashboardLinkType.Dashboards)
        .tags(['feitian'])
        .asDropdown(true)
        .keepTime(true)
        .tooltip('The other dashboards'),
    );
}

/** A choice among the values that a label has now; none chosen is all of them. A query takes it with `like('$<name>')`. */
export function choice(name: string, label: string, metric: Metric): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .description(`Only what has this ${label}`)
    .datasource(DATASOURCE)
    .query({ query: `label_values(${metric.name}, ${label})`, refId: name })
    .definition(`label_values(${metric.name}, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

/** `raw`, since an address is not a part of a path that has to be escaped. */
const WORKFLOWS = `\${temporal_ui:raw}/namespaces/\${temporal_namespace:raw}/workflows`;

/** The workflow that a series names in its label `workflow_id`. */
export const WORKFLOW_OF_SERIES: Link = { title: 'the workflow in the Web UI', url: `${WORKFLOWS}/\${__field.labels.workflow_id}` };
/** The workflow that a row of a table names in its column `title`. */
export const workflowOfRow = (title: string): Link => ({
  title: 'the workflow in the Web UI',
  url: `${WORKFLOWS}/\${__data.fields["${title}"]}`,
});

/** The list of workflows of a type, in the Web UI; with a status only those: Running, Completed, Failed, … */
export function workflowList(title: string, type: string, status?: string): Link {
  const query = [`WorkflowType="${type}"`, ...(status ? [`ExecutionStatus="${status}"`] : [])].join(' AND ');
  return { title, url: `${WORKFLOWS}?query=${encodeURIComponent(query)}` };
}

export function webLink({ title, url }: Link): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).icon('external link').url(url).targetBlank(true);
}
