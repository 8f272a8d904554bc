import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';

/** `npx tsx test/simulation/nuwa/replay.ts --seed N [--trace] [--ms N]`: one schedule again. */
const { values } = parseArgs({ options: { seed: { type: 'string' }, trace: { type: 'boolean' }, ms: { type: 'string' } } });
const report = simulate({
  seed: Number(values.seed),
  ...(values.ms ? { faultyMs: Number(values.ms) } : {}),
  ...(values.trace ? { trace: (line) => console.log(line) } : {}),
});
console.log(JSON.stringify(report));
