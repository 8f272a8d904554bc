import { FeitianError } from '../base/errors.ts';
import { faultPoint } from '../base/fault-points.ts';
import { type Metrics, type Sample, tellWhenAsked } from '../base/metrics.ts';
import type { Implementation } from '../kuafu/contract.ts';
import type { PANGU_CHUNK_METRICS } from './metrics.ts';

type Handler = Implementation['handlers'][string];
type OperationsMetric = Metrics<typeof PANGU_CHUNK_METRICS>['operations'];

/**
 * Counts how operations end: `OK`, or the code of the error. In a map of our own, since a small append takes some tens of microseconds and
 * naming labels anew for each would be felt.
 */
export class Outcomes {
  readonly #counts = new Map<string, { ok: number; failed: Map<string, number> }>();
  readonly stop: () => void;

  constructor(metric: OperationsMetric) {
    this.stop = tellWhenAsked(metric, () => this.#samples());
  }

  /** The same service, with every method counted under its name; where it begins and ends are points of fault. */
  counted({ contract, handlers }: Implementation): Implementation {
    const counted = Object.entries(handlers).map(([name, handler]) => [name, this.#countedAs(name, handler)]);
    return { contract, handlers: Object.fromEntries(counted) };
  }

  #countedAs(operation: string, handler: Handler): Handler {
    const count = { ok: 0, failed: new Map<string, number>() };
    this.#counts.set(operation, count);
    const [begins, ends] = [`${operation}.begins`, `${operation}.ends`];
    return async (request, call) => {
      faultPoint(begins);
      try {
        const reply = await handler(request, call);
        count.ok++;
        faultPoint(ends);
        return reply;
      } catch (error) {
        const code = error instanceof FeitianError ? error.code : 'Internal';
        count.failed.set(code, (count.failed.get(code) ?? 0) + 1);
        throw error;
      }
    };
  }

  #samples(): Sample<'operation' | 'code'>[] {
    return [...this.#counts].flatMap(([operation, { ok, failed }]) =>
      [['OK', ok] as const, ...failed].map(([code, value]) => ({ labels: { operation, code }, value })),
    );
  }
}
