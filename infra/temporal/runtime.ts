import { DefaultLogger, Runtime } from '@temporalio/worker';
import { messageOf } from '../../services/base/errors.ts';
import type { Logger } from '../../services/base/log.ts';
import { addForeignMetrics } from '../../services/shennong/endpoint/foreign.ts';
import { freePort } from '../cluster/ports.ts';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
/** Somebody else may take a port between our finding it free and the SDK's binding it. */
const TRIES_MAX = 5;
const READ_MS_MAX = 2_000;

let prepared: Promise<void> | undefined;

/**
 * Ties the Temporal SDK to this process, before any connection is made: its log lines, and those of workflows and activities, go where all
 * others go, and its metrics, with those that workflows count, come out where the process's own do. Once a process, whatever roles it plays.
 */
export function prepareRuntime(log: Logger): Promise<void> {
  return (prepared ??= prepare(log));
}

async function prepare(log: Logger): Promise<void> {
  const logger = new DefaultLogger('INFO', ({ level, message, meta }) => {
    // Progress of a job is in its workflow; of the SDK's own voice a log wants the exceptions.
    log[level === 'INFO' ? 'debug' : LEVELS[level]]({ ...meta }, message);
  });
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    try {
      // The SDK can't be asked which port it got, so it is told one.
      const bindAddress = `127.0.0.1:${await freePort()}`;
      // No suffixes: a counter that a workflow calls feitian_…_total would become feitian_…_total_total.
      const metrics = { prometheus: { bindAddress, useSecondsForDurations: true }, attachServiceName: false };
      Runtime.install({ logger, telemetryOptions: { metrics } });
      addForeignMetrics(() => textOf(`http://${bindAddress}/metrics`));
      return;
    } catch (error) {
      log.warn({ tries, error: messageOf(error) }, 'temporal.metrics-unserved');
    }
  }
  Runtime.install({ logger });
}

async function textOf(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(READ_MS_MAX) });
  return await answer.text();
}
