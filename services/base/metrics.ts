import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { SECONDS } from './seconds.ts';

/**
 * Metrics, declared once and used in two places. A room's `metrics.ts` says what there is (name, help, labels) and imports nothing that runs, so that
 * dashboards and alert rules can read it; the room's shell turns the declaration into things that count with `createMetrics`.
 *
 * Names are `feitian_<subsystem>_<what>_<unit>`, in base units (seconds, bytes), counters with `_total` behind, as the naming page of the
 * Prometheus documentation asks. Labels `node`, `rack`, `role` and `instance` belong to the target and come from service discovery; a metric
 * has a `node` of its own only where one process tells of many nodes.
 */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly name: `feitian_${string}`;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds, in the unit of the name; for histograms. @default SECONDS */
  readonly buckets?: readonly number[];
}
export type MetricSpecs = Readonly<Record<string, MetricSpec>>;

export { SECONDS };

type LabelOf<S extends MetricSpec> = S['labels'] extends readonly (infer Label extends string)[] ? Label : never;
type MetricOf<S extends MetricSpec> = S['kind'] extends 'counter'
  ? Counter<LabelOf<S>>
  : S['kind'] extends 'gauge'
    ? Gauge<LabelOf<S>>
    : Histogram<LabelOf<S>>;
export type Metrics<S extends MetricSpecs> = { readonly [Name in keyof S]: MetricOf<S[Name]> };

/** All metrics of this process, whatever roles it plays. */
export const processRegistry = new Registry();
/** Each look at the event loop wakes an idle process, and a machine has dozens of them: at the library's 10 ms that alone is 0.2 % of a processor each. */
collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 50 });

/** Asked again for the same metric it gives the same one: several roles of one process count together. */
export function createMetrics<const S extends MetricSpecs>(specs: S, registry: Registry = processRegistry): Metrics<S> {
  const metrics = Object.entries(specs).map(([key, spec]) => [key, registry.getSingleMetric(spec.name) ?? create(spec, registry)]);
  return Object.fromEntries(metrics) as Metrics<S>;
}

function create({ kind, name, help, labels = [], buckets = SECONDS }: MetricSpec, registry: Registry): object {
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  if (kind === 'counter') return new Counter(options);
  return kind === 'gauge' ? new Gauge(options) : new Histogram({ ...options, buckets: [...buckets] });
}

/** One value of a metric. `suffix` is for the parts of a histogram: `_bucket`, `_sum`, `_count`. */
export interface Sample<Label extends string = string> {
  labels?: Partial<Record<Label, string | number>>;
  value: number;
  suffix?: string;
}
type Tell<Label extends string> = () => Iterable<Sample<Label>> | Promise<Iterable<Sample<Label>>>;
interface Told<Label extends string> {
  get(): Promise<{ values: { labels: Partial<Record<Label, string | number>>; value: number }[] }>;
}

const tellers = new WeakMap<object, Set<Tell<string>>>();

/**
 * Lets a metric be told only when somebody asks for it: what is counted in plain fields, or known anyway, then costs nothing meanwhile.
 * Several may tell of one metric; what has the same labels is added up. @returns how to stop telling.
 */
export function tellWhenAsked<Label extends string>(metric: Told<Label>, tell: Tell<NoInfer<Label>>): () => void {
  const telling: Set<Tell<string>> = tellers.get(metric) ?? new Set();
  if (!tellers.has(metric)) {
    tellers.set(metric, telling);
    const { name, help, type, aggregator } = metric as unknown as Record<'name' | 'help' | 'type' | 'aggregator', string>;
    const get = async () => {
      const told = await Promise.all([...telling].map(async (each) => [...(await each())]));
      return { name, help, type, aggregator, values: addUp(name!, told.flat()) };
    };
    // A histogram is printed through the second one.
    Object.assign(metric, { get, getForPromString: get });
  }
  telling.add(tell);
  return () => void telling.delete(tell);
}

function addUp(name: string, samples: readonly Sample[]): object[] {
  const sums = new Map<string, { labels: object; value: number; metricName: string }>();
  for (const { labels = {}, value, suffix = '' } of samples) {
    const key = suffix + JSON.stringify(labels);
    const sum = sums.get(key);
    if (sum) sum.value += value;
    else sums.set(key, { labels, value, metricName: name + suffix });
  }
  return [...sums.values()];
}
