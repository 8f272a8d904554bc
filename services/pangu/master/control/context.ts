import type { Healing } from '../../core/healing.ts';
import type { MasterContext } from '../context.ts';

/** What the duties of the master that controls work with. */
export interface ControlContext extends MasterContext {
  /** Its name in the fence. */
  readonly holder: string;
  /** Aborts when it controls no more, or stops. */
  readonly ending: AbortSignal;
  healing(): Promise<Healing>;
}
