import { type Logger as PinoLogger, pino } from 'pino';

/** Log lines are an event name plus fields: `log.info({ chunk, bytes }, 'chunk.sealed')`. */
export type Logger = PinoLogger;

export function createLogger(fields: Record<string, unknown>, level = process.env.FEITIAN_LOG_LEVEL ?? 'info'): Logger {
  // Without it the field `error` of a line would be `{}`: what an Error holds is not enumerable.
  const serializers = { error: pino.stdSerializers.err };
  return pino({ level, base: { pid: process.pid, ...fields }, timestamp: pino.stdTimeFunctions.isoTime, serializers });
}

export const silentLogger: Logger = pino({ level: 'silent' });
