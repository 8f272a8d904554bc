import type { Command } from 'commander';
import { type NuwaEvent, SESSION_TTL_MS_MAX, SESSION_TTL_MS_MIN } from '../../../services/nuwa/contract.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { colors as pc } from '../ui/colors.ts';
import { untilInterrupted } from '../ui/interrupt.ts';
import { asText, durationMs, type NuwaOptions, nodePath, nuwaVerb, valueAsJson, withNuwa } from '../ui/nuwa.ts';
import { runUnderLock } from '../ui/run-under-lock.ts';
import { formatMs, parseMs } from '../ui/units.ts';

/** What lasts: `watch`, and `lock` around a command. */
export function registerWatching(nuwa: Command): void {
  nuwaVerb(
    nuwa,
    'watch <path>',
    'print each change of a node, none missed, until Ctrl-C; with --json one document a line',
    'feitian nuwa watch --recursive /services',
    'feitian nuwa watch --recursive --after 1200 --json / | jq .path',
  )
    .option('-r, --recursive', 'and of everything below it')
    .option('--after <revision>', 'begin after this revision instead of now', wholeNumber)
    .option('--count <n>', 'end after so many changes', wholeNumber)
    .action(action(watch));

  nuwaVerb(
    nuwa,
    'lock <path> <command...>',
    'run a command while holding a lock; it ends with the exit code of the command',
    'feitian nuwa lock /locks/backup -- ./backup.sh --full',
    'feitian nuwa lock --shared --wait 30s /locks/table -- psql -c "select 1"',
  )
    .option('--shared', 'beside others that hold it shared, not beside one that holds it alone')
    .option('--wait <time>', 'give up when it is not had by then, such as 30s')
    .option('--ttl <time>', 'when this machine falls silent, others may have the lock after so long', '10s')
    .option('--grace <time>', 'what the command has to end, when the lock is lost, before it is killed', '5s')
    .addHelpText(
      'after',
      `
The command finds its fencing token in FEITIAN_FENCING_TOKEN: a number that grows with each grant of this lock. Whatever the
lock protects should refuse a token below the highest it has seen. When the lock is lost (this machine was cut off or stood still,
or somebody removed the lock's node) the command gets SIGTERM, and SIGKILL after --grace, with all that it started. So it does on SIGINT,
SIGTERM and SIGHUP, and the lock is kept until the command has ended. When "feitian" itself is killed with SIGKILL the same befalls the
command, and others may have the lock when --ttl is over: keep --grace below half of --ttl. Where the machine dies or stands
still, only the token protects.`,
    )
    .action(action(lock));
}

interface WatchFlags extends NuwaOptions {
  recursive?: boolean;
  after?: number;
  count?: number;
}

async function watch(path: string, flags: WatchFlags): Promise<void> {
  const { recursive = false, after, count = Number.POSITIVE_INFINITY } = flags;
  let left = count;
  if (left === 0) return;
  await untilInterrupted((signal) =>
    withNuwa(flags, async (client) => {
      const options = { recursive, signal, ...(after === undefined ? {} : { afterRevision: after }) };
      for await (const event of client.watch(nodePath(path), options)) {
        print(flags.json ? JSON.stringify(eventAsJson(event)) : eventLine(event));
        if (--left <= 0) return;
      }
    }),
  );
}

const eventAsJson = ({ value, ...event }: NuwaEvent): object => ({ ...event, ...(value ? valueAsJson(value) : {}) });

/** Of a value on a line of its own: enough to tell which it is. */
const PREVIEW_CHARACTERS = 100;

function eventLine({ revision, kind, path, value }: NuwaEvent): string {
  return `${pc.dim(`${revision}`)}  ${kind.padEnd(7)}  ${path}${value && value.length > 0 ? `  ${pc.dim(preview(value))}` : ''}`;
}

function preview(value: Uint8Array): string {
  const text = asText(value);
  if (text === undefined) return `${value.length} bytes`;
  // It may hold anything, also what would break a line or drive a terminal.
  const line = text.replace(/\s+/g, ' ').replace(/\p{Cc}/gu, '?');
  return line.length > PREVIEW_CHARACTERS ? `${line.slice(0, PREVIEW_CHARACTERS)}…` : line;
}

interface LockFlags extends NuwaOptions {
  shared?: boolean;
  wait?: string;
  ttl: string;
  grace: string;
}

async function lock(path: string, command: string[], flags: LockFlags): Promise<void> {
  const ttlMs = durationMs(flags.ttl, '--ttl', parseMs);
  if (ttlMs < SESSION_TTL_MS_MIN || ttlMs > SESSION_TTL_MS_MAX)
    throw new UsageError(`--ttl ${flags.ttl} is not between ${formatMs(SESSION_TTL_MS_MIN)} and ${formatMs(SESSION_TTL_MS_MAX)}`);
  const graceMs = durationMs(flags.grace, '--grace', parseMs);
  const waitMs = flags.wait === undefined ? undefined : durationMs(flags.wait, '--wait', parseMs);
  const ran = await untilInterrupted((interrupted) =>
    withNuwa(
      flags,
      async (client) => {
        const givingUp = waitMs === undefined ? [] : [AbortSignal.timeout(waitMs)];
        const held = await client
          .lock(nodePath(path), {
            mode: flags.shared ? 'shared' : 'exclusive',
            holder: `${command[0]} (pid ${process.pid})`,
            signal: AbortSignal.any([interrupted, ...givingUp]),
          })
          .catch((error: unknown) => {
            if (interrupted.aborted) return undefined;
            if (givingUp[0]?.aborted) throw new Error(`${nodePath(path)} is held by others: not had within ${flags.wait}`);
            throw error;
          });
        if (!held) return undefined;
        try {
          return { token: held.token, ...(await runUnderLock({ command, held, interrupted, graceMs })) };
        } finally {
          await held.release();
        }
      },
      { ttlMs },
    ),
  );
  if (!ran) return;
  process.exitCode = ran.exitCode;
  if (flags.json) printJson({ path: nodePath(path), ...ran });
  if (!ran.lost) return;
  process.stderr.write(`feitian: the lock was lost, and the command ended (${ran.how})\n`);
  // Whatever it says of itself, it did not have the lock to its end.
  if (ran.exitCode === 0) throw new SilentFailure();
}
