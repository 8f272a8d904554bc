/**
 * One attempt, from its order to its counts: finds the program, opens the input, opens the output, runs, and completes the output or leaves
 * none. Three kinds of input, two kinds of programs and three kinds of output meet here and nowhere else.
 */
import type { AttemptCounts } from '../contract.ts';
import type { AttemptLog } from './attempt-log.ts';
import { fetchPartition } from './input-shuffle.ts';
import type { AttemptOrder } from './messages.ts';
import { type AttemptOutput, openAttemptFile } from './output.ts';
import { FilesOutput } from './output-files.ts';
import { NoOutput } from './output-none.ts';
import { ShuffleOutput } from './output-shuffle.ts';
import type { InputCounts, OpenInput, PreparedProgram, RunnerServices } from './parts.ts';
import { prepareCommand } from './prepare-command.ts';
import { prepareModule } from './prepare-module.ts';

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
  const { program } = order;
  const prepared =
    'module' in program ? await prepareModule(program.module, order, services) : prepareCommand(program.command, order, services, log);
  return withInput(order, services, async (input) => {
    const output = await openOutput(order, services, prepared.combine);
    try {
      await prepared.run(input, output, counts);
      return { ...counts, ...(await output.close()) };
    } catch (error) {
      await output.abort().catch(() => {}); // the first error says more
      throw error;
    }
  });
}

async function withInput<T>(order: AttemptOrder, services: RunnerServices, use: (input: OpenInput) => Promise<T>): Promise<T> {
  const { input, instance } = order;
  if (input.kind === 'none') return use({ kind: 'none' });
  if (input.kind === 'files') {
    const files = await services.fileInput(input.format);
    return use({ kind: 'files', format: input.format, pieces: files.pieces(input.splits, instance) });
  }
  const options = { memoryBytes: sortBytes(order), scratch: services.scratchDirectory };
  const partition = await fetchPartition(await services.pangu(), input, instance, options);
  try {
    return await use({ kind: 'shuffle', cursor: partition.cursor });
  } finally {
    partition.close();
  }
}

async function openOutput(order: AttemptOrder, services: RunnerServices, combine: PreparedProgram['combine']): Promise<AttemptOutput> {
  const { output, instance, attempt } = order;
  if (output.kind === 'none') return new NoOutput();
  const pangu = await services.pangu();
  const preferNode = services.node;
  if (output.kind === 'files') return new FilesOutput(await openAttemptFile(pangu, output, instance, attempt, { preferNode }));
  return new ShuffleOutput({
    // Made again if it is lost, so one copy, here, and no waiting for the disk.
    file: await openAttemptFile(pangu, output, instance, attempt, { preferNode, replicas: 1, sync: false }),
    partitions: output.partitions,
    memoryBytes: sortBytes(order),
    scratch: services.scratchDirectory,
    ...(combine ? { combine } : {}),
  });
}

function sortBytes({ resources }: AttemptOrder): number {
  return resources.memoryMiB * 2 ** 20 * SORT_SHARE;
}
