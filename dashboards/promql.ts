/**
 * PromQL in pieces, each a function from parts to text. They know what kind of metric they are given and which labels it has, so that a rate of a
 * gauge or a sum by a label that does not exist is an error of the compiler, not an empty panel.
 */
export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly labels?: readonly string[];
}
type Counter = Metric & { kind: 'counter' };
type Histogram = Metric & { kind: 'histogram' };

/** What every series has from its target: from service discovery, or from Prometheus itself. */
type TargetLabel = 'node' | 'rack' | 'role' | 'instance' | 'job';
type LabelOf<M extends Metric> = TargetLabel | (M['labels'] extends readonly (infer Label extends string)[] ? Label : never);

/** A value that a label must have, or a regular expression with `like` or `unlike`. */
type Matcher = string | { readonly operator: '!=' | '=~' | '!~'; readonly value: string };
export type Matchers<M extends Metric> = { readonly [Label in LabelOf<M>]?: Matcher };

export const not = (value: string): Matcher => ({ operator: '!=', value });
export const like = (value: string): Matcher => ({ operator: '=~', value });
export const unlike = (value: string): Matcher => ({ operator: '!~', value });

/** At least four scrapes, whatever the width of the picture: Grafana works it out. Rules have no Grafana and name a window of their own. */
const WINDOW = '$__rate_interval';

export function series<const M extends Metric>(metric: M, matchers: Matchers<M> = {}, suffix = ''): string {
  const all = Object.entries(matchers as Record<string, Matcher>).map(([label, matcher]) =>
    typeof matcher === 'string' ? `${label}=${quoted(matcher)}` : `${label}${matcher.operator}${quoted(matcher.value)}`,
  );
  return `${metric.name}${suffix}${all.length > 0 ? `{${all.join(', ')}}` : ''}`;
}

/** How much a counter grows in a second. */
export function rate<const M extends Counter>(counter: M, matchers: Matchers<M> = {}, window = WINDOW): string {
  return `rate(${series(counter, matchers)}[${window}])`;
}

/**
 * The counters that grew in the window, or came into being in it: one that is born with its first event, as those with an `outcome` are, has no
 * zero before it that `increase` could start from.
 */
export function grew<const M extends Counter>(counter: M, matchers: Matchers<M>, window: string): string {
  const now = series(counter, matchers);
  return `increase(${now}[${window}]) > 0 or (${now} unless ${now} offset ${window}) > 0`;
}

/** The value that a share `q` of the observations does not exceed, for each value of the labels `by`. */
export function quantile<const M extends Histogram>(q: number, histogram: M, by: LabelOf<M>[] = [], matchers: Matchers<M> = {}): string {
  const buckets = `rate(${series(histogram, matchers, '_bucket')}[${WINDOW}])`;
  return `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (${buckets}))`;
}

export const sum = (expression: string, ...by: string[]): string => over('sum', expression, by);
/** For what each of several processes tells of the whole cluster: they say the same, so adding them up would be wrong. */
export const max = (expression: string, ...by: string[]): string => over('max', expression, by);
export const min = (expression: string, ...by: string[]): string => over('min', expression, by);
export const count = (expression: string, ...by: string[]): string => over('count', expression, by);
export const top = (n: number, expression: string): string => `topk(${n}, ${expression})`;

/** Nought where there is no series at all: a stat says 0, not "No data". */
export const orZero = (expression: string): string => `${expression} or vector(0)`;

/** One part of the whole that two values of a label make, such as the free bytes of all. */
export const part = (of: string, whole: string, label: string): string => `${of} / ignoring(${label}) ${whole}`;

function over(aggregation: string, expression: string, by: readonly string[]): string {
  return `${aggregation}${by.length > 0 ? ` by (${by.join(', ')})` : ''} (${expression})`;
}

function quoted(value: string): string {
  return JSON.stringify(value);
}
