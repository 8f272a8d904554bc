/**
 * The TaskMaster's mind: which attempt runs in which container, what is tried again, when a backup starts, how many containers are wanted.
 * Pure: events go in with the time (`grant`, `lose`, `report`, …), `decide(nowMs)` says what to do now and when to ask again. The workflow
 * `fuxiTask` only carries the decisions out.
 *
 * Invariants:
 * - an instance is `waiting`, `running` (at least one attempt lives), `awaiting-repair` or `done` (exactly one winner, never changed);
 * - a container carries at most one batch;
 * - attempt numbers of one instance never repeat, so no two attempts share an output path;
 * - a result for a batch that was settled before is ignored.
 */
import { assertInvariant } from '../../base/assert.ts';
import type { AttemptResult, Container, Decision, FuxiCode, TaskProgress, Winners } from '../contract.ts';
import { type BackupRule, stragglerAgeMs } from './backup.ts';
import type { Batch, RunningBatch } from './batch.ts';
import { ContainerWants } from './container-wants.ts';
import type { Decisions } from './decisions.ts';
import { AVOID_NODE_MS, type FailureKind, failureKind, retryDelayMs, UNCOUNTED_MAX } from './failure-policy.ts';
import { type Instance, mayRunOn, newInstance, wakesOf } from './instance.ts';
import { NodeRecords } from './node-records.ts';
import { chooseInstances } from './placement.ts';
import { noProgress } from './progress.ts';
import { expectedMs, noTimings, recordTiming } from './timings.ts';

/** The newest decisions answer `why`; older ones are in the history. */
const DECISIONS_MAX = 200;

export interface TaskMasterOptions {
  task: string;
  instances: { index: number; bytes: number; preferred: string[] }[];
  maxAttempts: number;
  backup: BackupRule;
  /** The first attempt's number. @default 1 */
  firstAttempt?: number;
}

export type { Attempt, Batch } from './batch.ts';
export type { Decisions } from './decisions.ts';

export class TaskMaster {
  readonly #options: TaskMasterOptions;
  readonly #instances: Map<number, Instance>;
  readonly #containers = new Map<string, { container: Container; batch?: number }>();
  readonly #batches = new Map<number, RunningBatch>();
  readonly #timings = noTimings();
  readonly #nodes = new NodeRecords();
  #nextBatch = 1;
  #generation = 0;
  readonly #wants = new ContainerWants();
  #cancel: number[] = [];
  #lost = new Map<string, Set<number>>();
  #failure: { code: FuxiCode; message: string } | undefined;
  #paused = false;
  #done = 0;
  readonly progress: TaskProgress;
  readonly decisions: Decision[] = [];
  #news: Decision[] = [];

  constructor(options: TaskMasterOptions, nowMs: number) {
    this.#options = options;
    const lastAttempt = (options.firstAttempt ?? 1) - 1;
    this.#instances = new Map(
      options.instances.map(({ index, bytes, preferred }) => [index, newInstance(index, bytes, preferred, lastAttempt)]),
    );
    const bytesInTotal = options.instances.reduce((sum, instance) => sum + instance.bytes, 0);
    this.progress = { ...noProgress(options.instances.length, bytesInTotal), startedAtMs: nowMs };
  }

  // ---- events ----

  grant(containers: Container[]): void {
    delete this.progress.waits;
    for (const container of containers) if (!this.#containers.has(container.id)) this.#containers.set(container.id, { container });
  }

  /** Containers that are no more; whatever ran in them failed with `NodeLost`. */
  lose(ids: string[], reason: string, nowMs: number): void {
    for (const id of ids) {
      const held = this.#containers.get(id);
      if (!held) continue;
      this.#containers.delete(id);
      if (held.batch !== undefined) {
        this.#cancel.push(held.batch);
        this.#failOpen(held.batch, 'NodeLost', reason, nowMs);
      }
    }
  }

  /** Results of a batch while it goes on; `released` were not begun and come back. */
  partial(batchId: number, results: AttemptResult[], released: number[], nowMs: number): void {
    const batch = this.#batches.get(batchId);
    if (!batch) return;
    for (const result of results) this.#settle(batch, result, nowMs);
    for (const index of released) this.#release(batch, index, 'not begun');
    batch.alone = batch.open.length <= 1;
  }

  /** The batch ended with these results; attempts without one were not run. */
  finish(batchId: number, results: AttemptResult[], nowMs: number): void {
    const batch = this.#batches.get(batchId);
    if (!batch) return;
    for (const result of results) this.#settle(batch, result, nowMs);
    for (const attempt of [...batch.open]) this.#release(batch, attempt.instance);
    this.#close(batch);
  }

  /** The batch's activity failed as a whole: its node is suspect and the container with it. */
  fail(batchId: number, code: FuxiCode, message: string, nowMs: number): void {
    const batch = this.#batches.get(batchId);
    if (!batch) return;
    this.#failOpen(batchId, code, message, nowMs);
    this.#containers.delete(batch.container.id);
    this.#wants.forget(); // FuxiMaster counts it as ours until it hears otherwise
  }

  /** Lost inputs were made again, for the `generation`-th time. */
  repaired(generation: number): void {
    this.#generation = generation;
    for (const instance of this.#instances.values()) if (instance.state === 'awaiting-repair') instance.state = 'waiting';
  }

  /** FuxiMaster started anew, or our wants changed: tell everything again. */
  resync(): void {
    this.#wants.forget();
  }

  /** No node of now can give what is wanted; larger ones may come. */
  waitsFor(reason: string, nowMs: number): void {
    if (this.progress.waits === reason) return;
    this.progress.waits = reason;
    this.#note(nowMs, 'wait', reason);
  }

  pause(paused: boolean): void {
    this.#paused = paused;
  }

  /** Decisions since the last call. */
  takeNews(): Decision[] {
    return this.#news.splice(0);
  }

  get holding(): Container[] {
    return [...this.#containers.values()].map((held) => held.container);
  }

  get winners(): Winners {
    const first = this.#options.firstAttempt ?? 1;
    const exceptions: Record<string, number> = {};
    for (const { index, winner } of this.#instances.values()) if (winner !== undefined && winner !== first) exceptions[index] = winner;
    return { instances: this.#instances.size, first, exceptions };
  }

  // ---- decisions ----

  decide(nowMs: number): Decisions {
    const wakes: number[] = [];
    const start: Batch[] = [];
    if (!this.#failure && !this.#paused) {
      this.#startWaiting(nowMs, start, wakes);
      this.#startBackups(nowMs, start, wakes);
    }
    const cancel = this.#cancel.splice(0);
    const lost = [...this.#lost].map(([task, instances]) => ({ task, instances: [...instances].sort((a, b) => a - b) }));
    this.#lost.clear();
    this.progress.running = [...this.#instances.values()].filter((instance) => instance.state === 'running').length;
    this.progress.containers = this.#containers.size;

    const decided: Decisions = { start, cancel, lost };
    if (this.#failure) decided.outcome = { kind: 'failed', ...this.#failure };
    else if (this.#done === this.#instances.size) decided.outcome = { kind: 'done' };
    else {
      const exchange = this.#exchange(nowMs, wakes);
      if (exchange) decided.exchange = exchange;
    }
    const next = wakes.filter((at) => at > nowMs).sort((a, b) => a - b)[0];
    if (next !== undefined) decided.wakeAtMs = next;
    return decided;
  }

  #startWaiting(nowMs: number, start: Batch[], wakes: number[]): void {
    let waiting: Instance[] = [];
    for (const instance of this.#instances.values()) {
      if (instance.state !== 'waiting') continue;
      wakes.push(...wakesOf(instance, nowMs));
      if (instance.notBeforeMs <= nowMs) waiting.push(instance);
    }
    const badNodes = this.#nodes.bad();
    for (const held of this.#containers.values()) {
      if (waiting.length === 0) return;
      const { node } = held.container;
      if (held.batch !== undefined || badNodes.includes(node)) continue;
      const chosen = chooseInstances(waiting, node, nowMs, this.#containers.size, this.#timings);
      if (chosen.length === 0) continue;
      start.push(this.#begin(held, chosen, false, nowMs));
      waiting = waiting.filter((instance) => instance.state === 'waiting');
    }
  }

  #startBackups(nowMs: number, start: Batch[], wakes: number[]): void {
    for (const { batch, instance, limitMs, overdue } of this.#lonely(nowMs)) {
      if (!overdue) {
        wakes.push(batch.openSinceMs + limitMs);
        continue;
      }
      const { node } = batch.container;
      const idle = [...this.#containers.values()].find((held) => held.batch === undefined && held.container.node !== node);
      if (!idle) continue;
      this.progress.backups++;
      const usualMs = expectedMs(this.#timings, instance.bytes);
      this.#note(
        nowMs,
        'backup',
        `instance ${instance.index} has run ${seconds(nowMs - batch.openSinceMs)} on ${node}; ${this.#done} of ${this.#instances.size} are done and ` +
          `${seconds(usualMs)} is usual, limit ${seconds(limitMs)}; second attempt on ${idle.container.node}`,
      );
      start.push(this.#begin(idle, [instance], true, nowMs));
    }
  }

  /** Attempts that run alone in their batch without a backup, and the age at which each counts as a straggler, where that is known. */
  #lonely(nowMs: number): { batch: RunningBatch; instance: Instance; limitMs: number; overdue: boolean }[] {
    const view = { rule: this.#options.backup, instances: this.#instances.size, done: this.#done, timings: this.#timings };
    return [...this.#batches.values()].flatMap((batch) => {
      const instance = batch.alone && batch.open[0] ? this.#instances.get(batch.open[0].instance)! : undefined;
      if (instance?.state !== 'running' || instance.live.size > 1) return [];
      const limitMs = stragglerAgeMs(view, instance.bytes);
      return limitMs === undefined ? [] : [{ batch, instance, limitMs, overdue: nowMs - batch.openSinceMs >= limitMs }];
    });
  }

  #begin(held: { container: Container; batch?: number }, instances: Instance[], backup: boolean, nowMs: number): Batch {
    assertInvariant(held.batch === undefined, 'a container carries at most one batch');
    const id = this.#nextBatch++;
    const attempts = instances.map((instance) => {
      instance.state = 'running';
      instance.lastAttempt++;
      instance.live.set(instance.lastAttempt, { batch: id, node: held.container.node, generation: this.#generation });
      this.#nodes.used(held.container.node);
      return { instance: instance.index, attempt: instance.lastAttempt, backup };
    });
    held.batch = id;
    this.#batches.set(id, {
      id,
      container: held.container,
      attempts,
      open: [...attempts],
      openSinceMs: nowMs,
      alone: attempts.length === 1,
    });
    return { id, container: held.container, attempts };
  }

  #exchange(nowMs: number, wakes: number[]): Decisions['exchange'] {
    const containers = [...this.#containers.values()];
    const idle = containers.filter((held) => held.batch === undefined).map((held) => held.container);
    const busy = containers.length - idle.length;
    const waiting = [...this.#instances.values()].filter((instance) => instance.state === 'waiting' && instance.notBeforeMs <= nowMs);
    const stragglers = this.#lonely(nowMs).flatMap(({ batch, overdue }) => (overdue ? [batch.container.node] : []));
    const avoid = this.#uselessNodes(waiting, stragglers, nowMs);
    const startable = this.#paused ? 0 : waiting.length + stragglers.length;
    const wants = this.#wants.decide({ nowMs, busy, idle, startable, avoid });
    if (wants.wakeAtMs !== undefined) wakes.push(wants.wakeAtMs);
    if (!wants.tell) return undefined;
    for (const { id } of wants.tell.release) this.#containers.delete(id);
    const prefer: Record<string, number> = {};
    for (const instance of waiting) for (const node of instance.preferred) prefer[node] = (prefer[node] ?? 0) + 1;
    return { want: wants.tell.want, holding: this.holding, avoid, prefer };
  }

  /** Nodes on which nothing that could start now may run: every waiting instance keeps away from them, every straggler is there already. */
  #uselessNodes(waiting: Instance[], stragglers: string[], nowMs: number): string[] {
    const startable = waiting.length + stragglers.length > 0;
    const useless = this.#nodes
      .known()
      .filter(
        (node) => startable && waiting.every((instance) => !mayRunOn(instance, node, nowMs)) && stragglers.every((at) => at === node),
      );
    return [...new Set([...this.#nodes.bad(), ...useless])].sort();
  }

  // ---- results ----

  #settle(batch: RunningBatch, result: AttemptResult, nowMs: number): void {
    const position = batch.open.findIndex((open) => open.instance === result.instance && open.attempt === result.attempt);
    if (position < 0) return;
    batch.open.splice(position, 1);
    batch.openSinceMs = Math.min(nowMs, batch.openSinceMs + result.ms);
    const instance = this.#instances.get(result.instance)!;
    const generation = instance.live.get(result.attempt)?.generation;
    instance.live.delete(result.attempt);
    if (instance.state === 'done') return;
    if (!result.ok) {
      // It began before a repair: what it missed may be there by now, so it just begins again.
      const outdated = result.code === 'ShuffleLost' && generation !== this.#generation;
      return this.#failed(instance, batch.container.node, result, outdated ? 'uncounted' : failureKind(result.code), nowMs);
    }

    instance.state = 'done';
    instance.winner = result.attempt;
    this.#done++;
    recordTiming(this.#timings, instance.bytes, result.ms);
    this.#nodes.done(batch.container.node);
    const { progress } = this;
    progress.done = this.#done;
    progress.bytesIn += result.bytesIn;
    progress.bytesOut += result.bytesOut;
    progress.recordsIn += result.recordsIn;
    progress.recordsOut += result.recordsOut;
    progress.attemptMs += result.ms;
    for (const [attempt, { batch: loser, node }] of instance.live) {
      this.#note(
        nowMs,
        'first-wins',
        `instance ${instance.index}: attempt ${result.attempt} on ${batch.container.node} was first; attempt ${attempt} on ${node} is killed`,
      );
      this.#cancel.push(loser);
    }
  }

  #failed(instance: Instance, node: string, result: AttemptResult & { ok: false }, kind: FailureKind, nowMs: number): void {
    this.progress.failedAttempts++;
    const again = instance.live.size > 0;
    if (kind === 'fatal') return this.#giveUp(result.code, `instance ${instance.index} on ${node}: ${result.message}`);
    if (kind === 'counted') {
      instance.counted++;
      this.#nodes.failed(node, instance.index);
    } else instance.uncounted++;
    if (instance.counted >= this.#options.maxAttempts)
      return this.#giveUp(
        result.code,
        `instance ${instance.index} failed ${times(instance.counted)}, the last time on ${node}: ${result.message}`,
      );
    if (instance.uncounted >= UNCOUNTED_MAX)
      return this.#giveUp(
        result.code,
        `instance ${instance.index} was interrupted ${times(instance.uncounted)}, the last time on ${node}: ${result.message}`,
      );

    // Where its inputs could not be read from elsewhere, the node is not to blame.
    if (result.code !== 'ShuffleLost') instance.avoidUntilMs.set(node, nowMs + AVOID_NODE_MS);
    if (kind === 'awaits-repair' && result.lost) {
      const lost = this.#lost.get(result.lost.task) ?? new Set<number>();
      for (const index of result.lost.instances) lost.add(index);
      this.#lost.set(result.lost.task, lost);
    }
    if (again) return; // another attempt of it lives
    instance.state = kind === 'awaits-repair' ? 'awaiting-repair' : 'waiting';
    const delayMs = kind === 'counted' ? retryDelayMs(instance.counted) : 0;
    instance.notBeforeMs = nowMs + delayMs;
    this.#note(
      nowMs,
      'retry',
      `instance ${instance.index}, attempt ${result.attempt} on ${node}: ${result.message}; ` +
        `${instance.counted} of ${this.#options.maxAttempts} failures counted, ` +
        (kind === 'awaits-repair' ? 'waits for its input to be made again' : `again after ${seconds(delayMs)}, elsewhere if it can`),
    );
  }

  #failOpen(batchId: number, code: FuxiCode, message: string, nowMs: number): void {
    const batch = this.#batches.get(batchId);
    if (!batch) return;
    const [running, ...rest] = batch.open;
    for (const attempt of rest) this.#release(batch, attempt.instance);
    if (running) this.#settle(batch, { ...running, ok: false, ms: 0, code, message }, nowMs);
    this.#close(batch);
  }

  /** Back to waiting. An attempt that certainly was not begun leaves its number for the next one. */
  #release(batch: RunningBatch, index: number, how: 'not begun' | 'unknown' = 'unknown'): void {
    const position = batch.open.findIndex((open) => open.instance === index);
    if (position < 0) return;
    const [open] = batch.open.splice(position, 1);
    const instance = this.#instances.get(index)!;
    instance.live.delete(open!.attempt);
    if (how === 'not begun' && instance.lastAttempt === open!.attempt) instance.lastAttempt--;
    if (instance.state === 'running' && instance.live.size === 0) instance.state = 'waiting';
  }

  #close(batch: RunningBatch): void {
    this.#batches.delete(batch.id);
    const held = this.#containers.get(batch.container.id);
    if (held) delete held.batch;
  }

  #giveUp(code: FuxiCode, message: string): void {
    this.#failure ??= { code, message };
  }

  #note(atMs: number, rule: string, because: string): void {
    const decision = { atMs, task: this.#options.task, rule, because };
    this.decisions.push(decision);
    this.#news.push(decision);
    if (this.decisions.length > DECISIONS_MAX) this.decisions.shift();
  }
}

const times = (n: number): string => (n === 1 ? 'once' : `${n} times`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
