import type { Deployment, Instance } from './contract.ts';

/** What the activities of a node's queue (`tubo:<node>`) need of its agent. Every method may be called again after it was cut off. */
export interface DayuAgent {
  readonly node: string;
  /**
   * Makes the node run this deployment of the application, and nothing else of it: unpacked and checked beside the old one, old instances out of Nuwa,
   * drained and stopped, the switch, new instances started and healthy, and into Nuwa. A deployment that runs already and is healthy is left alone.
   *
   * @throws DayuError BadPackage and StorageFailed, before anything was stopped; StartFailed or Unhealthy, with the end of the log
   */
  deploy(deployment: Deployment, control: DayuControl & { healthyWithinMs: number }): Promise<Instance[]>;
  /** Stops all instances of the application; also when there are none. */
  remove(application: string, control: DayuControl): Promise<void>;
  /** Resolves when all instances of the application stayed healthy for `ms`. @throws DayuError Unhealthy, as soon as one is not */
  observe(application: string, control: DayuControl & { ms: number }): Promise<Instance[]>;
}

export interface DayuControl {
  signal: AbortSignal;
  /** To be called at least every few seconds with what is going on, in a few words. */
  heartbeat(doing: string): void;
}
