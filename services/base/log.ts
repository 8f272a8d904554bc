import { type Logger as PinoLogger, pino } from 'pino';

/** Log lines are an event name plus fields: `log.info({ chunk, bytes }, 'chunk.sealed')`. */
export type Logger = PinoLogger;

export function createLogger(fields: Record<string, unknown>, level = process.env.FEITIAN_LOG_LEVEL ?? 'info'): Logger {
  return pino({ level, base: { pid: process.pid, ...fields }, timestamp: pino.stdTimeFunctions.isoTime });
}

export const silentLogger: Logger = pino({ level: 'silent' });
