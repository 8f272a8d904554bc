import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

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

/** From a call within one machine to one that waits for a disk that is slow. */
export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

type LabelOf<S extends MetricSpec> = S['labels'] extends readonly (infer Label extends string)[] ? Label : never;
type MetricOf<S extends MetricSpec> = S['kind'] extends 'counter'
  ? Counter<LabelOf<S>>
  : S['kind'] extends 'gauge'
    ? Gauge<LabelOf<S>>
    : Histogram<LabelOf<S>>;
export type Metrics<S extends MetricSpecs> = { readonly [Name in keyof S]: MetricOf<S[Name]> };

/** All metrics of this process, whatever roles it plays. */
export const processRegistry = new Registry();
collectDefaultMetrics({ register: processRegistry });

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
