import type { Logger } from '../../base/log.ts';
import { SIGNALS } from '../contract.ts';
import { apply, type PoolEvent } from '../core/pool.ts';
import { schedule } from '../core/pool-schedule.ts';
import { createPool, epochName, type Pool, type TaskMasterRun } from '../core/pool-state.ts';
import type { Outbox } from './outbox.ts';

/** The pool and the way out of it: every event is applied, what came free is given away, and the effects are sent. */
export class FuxiMaster {
  readonly pool: Pool;
  readonly #outbox: Outbox;
  readonly #log: Logger;
  /** Told how many containers each grant has, and how many were lost. */
  onContainers: { granted(containers: number): void; lost(containers: number): void } | undefined;

  constructor({ epoch, outbox, log }: { epoch: number; outbox: Outbox; log: Logger }) {
    this.pool = createPool(epoch);
    this.#outbox = outbox;
    this.#log = log;
  }

  handle(event: PoolEvent): void {
    const wasRecovering = this.pool.recovering !== undefined;
    for (const effect of [...apply(this.pool, event), ...schedule(this.pool)]) {
      if (effect.kind === 'grant') {
        const containers = effect.signal.containers.map(({ id }) => id);
        this.#log.info({ to: effect.to.taskWorkflowId, number: effect.signal.number, containers }, 'containers.granted');
        this.onContainers?.granted(containers.length);
        void this.#outbox.send(effect.to, SIGNALS.grant, effect.signal);
      } else {
        this.#log.warn({ to: effect.to.taskWorkflowId, ...effect.signal }, 'containers.lost');
        this.onContainers?.lost(effect.signal.containers.length);
        void this.#outbox.send(effect.to, SIGNALS.containersLost, effect.signal);
      }
    }
    if (wasRecovering && !this.pool.recovering) this.#log.info({ containers: this.pool.containers.size }, 'fuxi-master.recovered');
  }

  /** Asks a TaskMaster to tell everything. @returns when it was asked, or found gone. */
  resync(taskMaster: TaskMasterRun): Promise<void> {
    return this.#outbox.send(taskMaster, SIGNALS.resync, { epoch: epochName(this.pool) });
  }
}
