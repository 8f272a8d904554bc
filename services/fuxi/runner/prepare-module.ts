/** A module program made ready for one attempt: loaded, and tied to the kind of input that the attempt has. */
import type { Combine } from '../core/combine.ts';
import type { MapProgram, ProgramContext, ReduceProgram, SourceProgram } from '../sdk.ts';
import { GroupValues, view } from './group-values.ts';
import { loadModule } from './load-module.ts';
import type { AttemptOrder } from './messages.ts';
import type { PreparedProgram, RunnerServices } from './parts.ts';
import { runMap, runReduce, runSource } from './run-module.ts';

export async function prepareModule(module: string, order: AttemptOrder, services: RunnerServices): Promise<PreparedProgram> {
  const program = await loadModule(module, order.input.kind, services.places, services.pangu);
  // Only now: what loads TypeScript keeps its cache in the machine's own, for all containers.
  process.env.TMPDIR = services.tmpDirectory;
  return {
    ...(program.combine ? { combine: program.combine === 'sum' ? 'sum' : combineOf(program.combine) } : {}),
    run(input, output, counts) {
      const { task, instance, attempt } = order;
      const context: ProgramContext = {
        job: order.job.workflowId,
        task,
        instance,
        attempt,
        node: services.node,
        drain: () => output.drain(),
      };
      // That the program has the function which its input wants was seen when it was loaded.
      if (input.kind === 'files') return runMap(program as MapProgram, input.pieces, input.format, output, context, counts);
      if (input.kind === 'shuffle') return runReduce(program as ReduceProgram, input.cursor, output, context, counts);
      return runSource(program as SourceProgram, output, context);
    },
  };
}

function combineOf(combine: Exclude<MapProgram['combine'], 'sum' | undefined>): Combine {
  return (group) => {
    const value = combine(view(group.key, group.keyStart, group.keyEnd), new GroupValues(group));
    return value instanceof Uint8Array ? value : Buffer.from(String(value));
  };
}
