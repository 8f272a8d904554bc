import type { Counter } from 'prom-client';
import type { Logger } from '../base/log.ts';
import type { TargetGroup } from './core/targets.ts';
import type { AnomalyStore } from './store.ts';

/** What Shennong's operations work with. */
export interface ShennongContext {
  readonly store: AnomalyStore;
  /** Of now. */
  targets(): TargetGroup[];
  readonly events: Counter<'alert' | 'status'>;
  readonly log: Logger;
}
