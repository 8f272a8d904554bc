import { AsyncLocalStorage } from 'node:async_hooks';
import { traceIdOf } from './traceparent.ts';

/**
 * The trace that the running code belongs to. Kuafu's calls carry it on by themselves. Only processes that run activities or attempts ever set one: with
 * AsyncLocalStorage in use Node 20 makes every promise dearer, so servers get theirs as `context.trace` and pass it on by hand.
 */
const traces = new AsyncLocalStorage<string>();
let ofProcess: string | undefined;

export function currentTrace(): string | undefined {
  return traces.getStore() ?? ofProcess;
}

export function withTrace<T>(traceparent: string | undefined, work: () => T): T {
  return traceIdOf(traceparent) === undefined ? work() : traces.run(traceparent!, work);
}

/** For a process that does one thing, such as an attempt: what its environment calls TRACEPARENT. */
export function setProcessTrace(traceparent: string | undefined): void {
  ofProcess = traceIdOf(traceparent) === undefined ? undefined : traceparent;
}
