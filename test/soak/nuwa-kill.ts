import { killRun, tell } from '../services/nuwa/group/kill-run.ts';
import { ProcessGroup } from '../services/nuwa/group/process-group.ts';
import { Harness } from '../services/nuwa/harness.ts';

/** `tsx test/soak/nuwa-kill.ts [<seconds>] [<seed>] [<servers>]`: the same as kill.test.ts, for as long as one wants. */
const [seconds = '60', seed = String(Date.now() % 1_000_000), servers = '3'] = process.argv.slice(2);
const harness = new Harness();
console.log(`seed ${seed}, ${seconds} s, ${servers} servers`);
const group = await ProcessGroup.start(harness, Number(servers));
const report = await killRun(group, { seconds: Number(seconds), seed: Number(seed) });
console.log(tell(report));
const backMs = report.faults.filter(({ wasLeader }) => wasLeader).map(({ backAfterMs }) => backAfterMs);
console.log(`the leader was lost ${backMs.length} times: back after ${Math.round(Math.max(...backMs))} ms at the most`);
await harness.close();
process.exit(report.problems.length > 0 ? 1 : 0);
