import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Repeats } from '../base/repeats.ts';
import type { Caller } from '../kuafu/guard-contract.ts';
import type { ZhongkuiError } from './contract.ts';
import { cut } from './core/resource.ts';

/**
 * The audit log: who called, with which key, what for, and whether it was let through or why not. It never holds a token, a proof or a key, only fingerprints.
 *
 * It is bounded however busy or hostile the callers are. Calls that were let through are counted by caller, method, operation and the prefix of the capability that
 * allowed it, and told once an interval. Refusals are told at once, each; when one repeats itself they are counted too ("and 312 more"). Beyond so many lines an interval
 * the rest is one line of figures.
 */
export interface Audit {
  admitted(caller: Caller): void;
  /** Credentials that were none. */
  turnedAway(error: ZhongkuiError): void;
  allowed(caller: Caller, method: string, operation: string, prefix: string): void;
  refused(caller: Caller, method: string, operation: string, resource: string, reason: string): void;
}

export const NO_AUDIT: Audit = { admitted() {}, turnedAway() {}, allowed() {}, refused() {} };

export interface AuditOptions {
  log: Logger;
  clock?: Clock;
  /** @default 10_000 */
  intervalMs?: number;
}

export interface OpenAudit extends Audit {
  /** Tells what was counted so far. */
  flush(): void;
  close(): void;
}

/** Lines of a kind in one interval. */
const LINES_MAX = 500;

interface Calls {
  readonly fields: Record<string, unknown>;
  count: number;
}

export function createAudit({ log, clock = systemClock, intervalMs = 10_000 }: AuditOptions): OpenAudit {
  const closing = new AbortController();
  const calls = new CallCounts();
  const refusals = new Repeats('zhongkui.refused', log);
  const strangers = new Repeats('zhongkui.turned-away', log);
  const admissions = new Repeats('zhongkui.admitted', log);
  let waiting = false;

  const flush = (): void => {
    for (const { fields, count } of calls.drain()) log.info({ ...fields, calls: count, allowed: true }, 'zhongkui.allowed');
    for (const repeats of [refusals, strangers, admissions]) repeats.flush();
  };
  /** A timer only while there is something to tell. */
  const later = (): void => {
    if (waiting || closing.signal.aborted) return;
    waiting = true;
    const done = (): void => {
      waiting = false;
      flush();
    };
    clock.sleep(intervalMs, closing.signal, { ref: false }).then(done, () => {});
  };

  return {
    admitted({ name, key }) {
      admissions.tell(`${name} ${key}`, 'info', { who: name, key });
      later();
    },
    turnedAway({ code, reason }) {
      strangers.tell(code, 'warn', { allowed: false, code, reason: cut(reason) });
      later();
    },
    allowed(caller, method, operation, prefix) {
      calls.count(caller, method, operation, prefix);
      if (!waiting) later();
    },
    refused({ name, key }, method, operation, resource, reason) {
      const fields = {
        who: name,
        key,
        method: cut(method),
        operation: cut(operation),
        resource: cut(resource),
        allowed: false,
        reason: cut(reason),
      };
      refusals.tell(`${name} ${key} ${fields.method} ${fields.operation}`, 'warn', fields);
      later();
    },
    flush,
    close() {
      closing.abort();
      flush();
    },
  };
}

/** By caller first: the same object for each call of a connection, so that a call costs a few looks and no text is made. */
class CallCounts {
  #byCaller = new Map<Caller, Map<string, Calls[]>>();
  #size = 0;
  #others = 0;
  /** Most calls are like the one before. */
  #last: { caller: Caller; method: string; operation: string; prefix: string; calls: Calls } | undefined;

  count(caller: Caller, method: string, operation: string, prefix: string): void {
    const last = this.#last;
    if (last && last.caller === caller && last.method === method && last.operation === operation && last.prefix === prefix) {
      last.calls.count++;
      return;
    }
    const known = this.#byCaller.get(caller)?.get(method);
    if (known)
      for (const calls of known) {
        if (calls.fields.operation !== operation || calls.fields.prefix !== prefix) continue;
        calls.count++;
        this.#last = { caller, method, operation, prefix, calls };
        return;
      }
    this.#add(caller, method, operation, prefix);
  }

  #add(caller: Caller, method: string, operation: string, prefix: string): void {
    if (this.#size >= LINES_MAX) {
      this.#others++;
      return;
    }
    this.#size++;
    let methods = this.#byCaller.get(caller);
    if (!methods) this.#byCaller.set(caller, (methods = new Map()));
    const calls = { fields: { who: caller.name, key: caller.key, method, operation, prefix }, count: 1 };
    const known = methods.get(method);
    if (known) known.push(calls);
    else methods.set(method, [calls]);
  }

  drain(): Calls[] {
    const all = [...this.#byCaller.values()].flatMap((methods) => [...methods.values()].flat());
    if (this.#others > 0) all.push({ fields: { others: true }, count: this.#others });
    this.#byCaller = new Map();
    this.#last = undefined;
    this.#size = 0;
    this.#others = 0;
    return all;
  }
}
