/**
 * The runner: the process of one container. Tubo starts it, as leader of a process group of its own, and gives it one attempt at a time over
 * the channel between them; it is used again for many attempts of one task. When an attempt is given up Tubo kills the whole group.
 *
 * It never outlives Tubo. When the channel closes it kills its group. A program that keeps this process busy would delay that, so a second
 * pair of eyes, a shell that waits at a pipe whose other end only Tubo holds, does the same (see guard.ts).
 *
 * Nothing is imported here before it is needed: most of a container's start is loading code.
 */
import { join } from 'node:path';
import { setProcessTrace } from '../../base/trace.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import type { RecordFormat } from '../contract.ts';
import { runAttempt } from './attempt.ts';
import { AttemptLog } from './attempt-log.ts';
import { attemptFailure, storageFailure } from './failures.ts';
import { guardGroup, killOwnGroup } from './guard.ts';
import type { RunnerIdentity } from './identity.ts';
import type { FileInput } from './input-files.ts';
import {
  type AttemptIdentity,
  type AttemptOrder,
  fromEnvironment,
  type IdentityRenewal,
  type RunnerEnvironment,
  type RunnerMessage,
} from './messages.ts';
import type { InputCounts, RunnerServices } from './parts.ts';

const PROGRESS_MS = 500;

guardGroup();
process.on('disconnect', killOwnGroup);
if (!process.connected) killOwnGroup();

const environment = fromEnvironment(process.env);
let present: { order: AttemptOrder; log: AttemptLog; startedAtMs: number } | undefined;
let services: RunnerServices | undefined;
let identity: RunnerIdentity | undefined;
let certified = false;

/** What a module prints belongs to its attempt's log, and so do warnings of Node's own. */
const toLog = ((bytes: Uint8Array | string, encoding?: BufferEncoding | (() => void), done?: () => void): boolean => {
  present?.log.write(typeof bytes === 'string' ? Buffer.from(bytes, typeof encoding === 'string' ? encoding : 'utf8') : bytes);
  const called = typeof encoding === 'function' ? encoding : done;
  if (called) queueMicrotask(called);
  return true;
}) as typeof process.stderr.write;
process.stdout.write = toLog;
process.stderr.write = toLog;

process.on('message', (message: AttemptOrder | IdentityRenewal) => {
  if ('kind' in message) void speakFor(message.identity);
  else void run(message);
});
// Thrown where nobody waits for it, so what else it broke is not known: the attempt fails and this process with it.
process.on('uncaughtException', (error) => {
  if (present) tell({ kind: 'result', result: failed(error) }, killOwnGroup);
  else killOwnGroup();
});
tell({ kind: 'ready' });

async function run(order: AttemptOrder): Promise<void> {
  const log = new AttemptLog(order.logFile);
  const counts: InputCounts = { bytesIn: 0, recordsIn: 0 };
  present = { order, log, startedAtMs: performance.now() };
  setProcessTrace(order.trace);
  if (order.identity) await speakFor(order.identity);
  const progress = setInterval(() => tell({ kind: 'progress', ...counts }), PROGRESS_MS);
  let message: RunnerMessage;
  try {
    services ??= createServices(environment);
    services.places.package = order.packaged ? services.workDirectory : undefined;
    const outcome = await runAttempt(order, services, counts, log);
    const { instance, attempt } = order;
    message = { kind: 'result', result: { instance, attempt, ok: true, ms: elapsedMs(), ...outcome } };
  } catch (error) {
    message = { kind: 'result', result: failed(error) };
  }
  clearInterval(progress);
  log.close();
  present = undefined;
  tell(message);
}

async function speakFor(given: AttemptIdentity): Promise<void> {
  identity ??= new (await import('./identity.ts')).RunnerIdentity();
  identity.take(given);
}

/** Tubo has the certificate renewed; the next one is in the files then. */
async function speakTls(files: NonNullable<RunnerEnvironment['tls']>): Promise<void> {
  if (certified) return;
  const [{ useMachineTls }, { openCertificateKeeper }] = await Promise.all([
    import('../../kuafu/client.ts'),
    import('../../zhongkui/client.ts'),
  ]);
  useMachineTls(await openCertificateKeeper({ files }));
  certified = true;
}

function elapsedMs(): number {
  return Math.round(performance.now() - (present?.startedAtMs ?? 0));
}

function failed(error: unknown): (RunnerMessage & { kind: 'result' })['result'] {
  const failure = attemptFailure(error);
  const { order, log } = present!;
  const { instance, attempt } = order;
  // A module threw: its stack goes where a command's last words go.
  if (failure.code === 'ProgramFailed' && failure.cause instanceof Error) log.write(Buffer.from(`${failure.cause.stack}\n`));
  const { task, instances } = failure.details as { task?: string; instances?: number[] };
  const lost = failure.code === 'ShuffleLost' && task && instances ? { lost: { task, instances } } : {};
  return { instance, attempt, ok: false, ms: elapsedMs(), code: failure.code, message: failure.reason, ...lost };
}

function tell(message: RunnerMessage, then?: () => void): void {
  process.send?.(message, undefined, undefined, () => then?.());
}

function createServices({ cluster, node, nuwa, tls, programs, directory }: RunnerEnvironment): RunnerServices {
  let connecting: Promise<PanguClient> | undefined;
  const pangu = (): Promise<PanguClient> =>
    (connecting ??= connect().catch((error) => {
      connecting = undefined;
      throw storageFailure(error, `reach Pangu through Nuwa at ${nuwa.join(', ')}`);
    }));
  const connect = async (): Promise<PanguClient> => {
    const [{ joinCluster }, { createPangu }] = await Promise.all([import('../../nuwa/client.ts'), import('../../pangu/client.ts')]);
    if (tls) await speakTls(tls);
    const { kuafu } = await joinCluster({ cluster, nuwa, creator: `runner on ${node}`, identity });
    return createPangu({ cluster, kuafu, node });
  };
  const inputs = new Map<string, Promise<FileInput>>();
  return {
    node,
    workDirectory: process.cwd(),
    scratchDirectory: join(directory, 'scratch'),
    tmpDirectory: join(directory, 'tmp'),
    places: { programs, fetched: join(directory, 'programs') },
    pangu,
    fileInput(format: RecordFormat) {
      const key = JSON.stringify(format);
      const open = async () => new (await import('./input-files.ts')).FileInput(await pangu(), format);
      let input = inputs.get(key);
      if (!input) inputs.set(key, (input = open()));
      return input;
    },
  };
}
