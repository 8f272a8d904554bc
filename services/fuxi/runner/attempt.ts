/**
 * One attempt, from its order to its counts: opens the input, runs the program over it and completes the output, or leaves no output.
 * Three kinds of input, two kinds of programs and three kinds of output meet here and nowhere else.
 */
import type { PanguClient } from '../../pangu/contract.ts';
import type { AttemptCounts, RecordFormat } from '../contract.ts';
import type { Combine } from '../core/combine.ts';
import type { MapProgram, ProgramContext, ReduceProgram, SourceProgram } from '../sdk.ts';
import type { AttemptLog } from './attempt-log.ts';
import { CommandRecords, groupsForCommand, piecesForCommand } from './command-lines.ts';
import { programEnvironment } from './environment.ts';
import { GroupValues, view } from './group-values.ts';
import type { FileInput } from './input-files.ts';
import { fetchPartition } from './input-shuffle.ts';
import { loadModule } from './load-module.ts';
import type { AttemptOrder } from './messages.ts';
import { type AttemptOutput, openAttemptFile } from './output.ts';
import { FilesOutput } from './output-files.ts';
import { NoOutput } from './output-none.ts';
import { ShuffleOutput } from './output-shuffle.ts';
import { findCommand, type ProgramPlaces } from './program-files.ts';
import { runCommand } from './run-command.ts';
import { runMap, runReduce, runSource } from './run-module.ts';

export interface InputCounts {
  bytesIn: number;
  recordsIn: number;
}

/** What the runner keeps from one attempt to the next. */
export interface RunnerServices {
  node: string;
  workDirectory: string;
  scratchDirectory: string;
  /** `TMPDIR` of programs. */
  tmpDirectory: string;
  places: ProgramPlaces;
  /** Connects when it is first asked for: an attempt without input and output needs no Pangu. */
  pangu(): Promise<PanguClient>;
  fileInput(format: RecordFormat): Promise<FileInput>;
}

/**
 * The share of a container's memory that waiting records may take, on either side of a shuffle. The rest is for the process itself (about 90 MiB),
 * arrays that grow by doubling, and the program.
 */
const SORT_SHARE = 0.25;

export async function runAttempt(
  order: AttemptOrder,
  services: RunnerServices,
  counts: InputCounts,
  log: AttemptLog,
): Promise<Omit<AttemptCounts, 'ms'>> {
  const run = 'module' in order.program ? await prepareModule(order, services, counts) : prepareCommand(order, services, counts, log);
  const output = await openOutput(order, services, run.combine);
  try {
    await run.over(output);
    return { ...counts, ...(await output.close()) };
  } catch (error) {
    await output.abort().catch(() => {});
    throw error;
  }
}

/** A program that is ready to go. Whatever is wrong with it has shown before an output is made. */
interface Prepared {
  combine?: 'sum' | Combine;
  over(output: AttemptOutput): Promise<void>;
}

const sortBytes = ({ resources }: AttemptOrder): number => resources.memoryMiB * 2 ** 20 * SORT_SHARE;

async function openOutput(order: AttemptOrder, services: RunnerServices, combine: 'sum' | Combine | undefined): Promise<AttemptOutput> {
  const { output, instance, attempt } = order;
  if (output.kind === 'none') return new NoOutput();
  const pangu = await services.pangu();
  if (output.kind === 'files') {
    return new FilesOutput(await openAttemptFile(pangu, output, instance, attempt, { preferNode: services.node }));
  }
  // Made again if it is lost, so one copy, here, and no waiting for the disk.
  const options = { replicas: 1, sync: false, preferNode: services.node };
  return new ShuffleOutput({
    file: await openAttemptFile(pangu, output, instance, attempt, options),
    partitions: output.partitions,
    memoryBytes: sortBytes(order),
    scratch: services.scratchDirectory,
    ...(combine ? { combine } : {}),
  });
}

async function prepareModule(order: AttemptOrder, services: RunnerServices, counts: InputCounts): Promise<Prepared> {
  const { input, instance, attempt } = order;
  const name = (order.program as { module: string }).module;
  const program = await loadModule(name, input.kind, services.places, services.pangu);
  // Only now: what loads TypeScript keeps its cache in the machine's own, for all containers.
  process.env.TMPDIR = services.tmpDirectory;
  const contextOf = (output: AttemptOutput): ProgramContext => ({
    job: order.job.workflowId,
    task: order.task,
    instance,
    attempt,
    node: services.node,
    drain: () => output.drain(),
  });
  return {
    ...(program.combine ? { combine: program.combine === 'sum' ? 'sum' : combineOf(program.combine) } : {}),
    async over(output) {
      const context = contextOf(output);
      if (input.kind === 'files') {
        const pieces = (await services.fileInput(input.format)).pieces(input.splits, instance);
        await runMap(program as MapProgram, pieces, input.format, output, context, counts);
      } else if (input.kind === 'shuffle') {
        const partition = await fetchPartition(await services.pangu(), input, instance, {
          memoryBytes: sortBytes(order),
          scratch: services.scratchDirectory,
        });
        try {
          await runReduce(program as ReduceProgram, partition.cursor, output, context, counts);
        } finally {
          partition.close();
        }
      } else {
        await runSource(program as SourceProgram, output, context);
      }
    },
  };
}

function combineOf(combine: Exclude<MapProgram['combine'], 'sum' | undefined>): Combine {
  return (group) => {
    const value = combine(view(group.key, group.keyStart, group.keyEnd), new GroupValues(group));
    return value instanceof Uint8Array ? value : Buffer.from(String(value));
  };
}

function prepareCommand(order: AttemptOrder, services: RunnerServices, counts: InputCounts, log: AttemptLog): Prepared {
  const { input, instance } = order;
  const command = findCommand((order.program as { command: string[] }).command, services.places);
  return {
    async over(output) {
      const records = new CommandRecords(output);
      const raw = output instanceof FilesOutput ? output : undefined;
      const run = (source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined): Promise<void> =>
        runCommand({
          command,
          directory: services.workDirectory,
          env: programEnvironment(order, services),
          input: source,
          onOutput(bytes) {
            if (!raw) return records.feed(bytes);
            raw.raw(bytes);
            if (raw.full) return raw.drain();
          },
          log,
        });
      if (input.kind === 'files') {
        const pieces = (await services.fileInput(input.format)).pieces(input.splits, instance);
        await run(piecesForCommand(pieces, input.format, counts));
      } else if (input.kind === 'shuffle') {
        const partition = await fetchPartition(await services.pangu(), input, instance, {
          memoryBytes: sortBytes(order),
          scratch: services.scratchDirectory,
        });
        try {
          await run(groupsForCommand(partition.cursor, counts));
        } finally {
          partition.close();
        }
      } else {
        await run(undefined);
      }
      records.finish();
    },
  };
}
