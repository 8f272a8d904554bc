/** A command made ready for one attempt: what it reads as its lines, what it writes as the output's bytes or records. */

import type { AttemptLog } from './attempt-log.ts';
import { CommandRecords, groupsForCommand, piecesForCommand } from './command-lines.ts';
import { programEnvironment } from './environment.ts';
import type { AttemptOrder } from './messages.ts';
import { FilesOutput } from './output-files.ts';
import type { InputCounts, OpenInput, PreparedProgram, RunnerServices } from './parts.ts';
import { findCommand } from './program-files.ts';
import { runCommand } from './run-command.ts';

export function prepareCommand(command: string[], order: AttemptOrder, services: RunnerServices, log: AttemptLog): PreparedProgram {
  const found = findCommand(command, services.places);
  return {
    async run(input, output, counts) {
      const records = new CommandRecords(output);
      const onOutput = (bytes: Buffer): Promise<void> | void => {
        // Published output is the command's very bytes.
        if (!(output instanceof FilesOutput)) return records.feed(bytes);
        output.raw(bytes);
        if (output.full) return output.drain();
      };
      const env = programEnvironment(order, services);
      await runCommand({ command: found, directory: services.workDirectory, env, input: standardInput(input, counts), onOutput, log });
      records.finish();
    },
  };
}

function standardInput(input: OpenInput, counts: InputCounts): AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined {
  if (input.kind === 'files') return piecesForCommand(input.pieces, input.format, counts);
  if (input.kind === 'shuffle') return groupsForCommand(input.cursor, counts);
  return undefined;
}
