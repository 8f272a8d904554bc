import { silentLogger } from '../../../../services/base/log.ts';
import type { RoleConfig } from '../../../../services/base/role.ts';
import type { BatchRequest, Program } from '../../../../services/fuxi/contract.ts';
import { startTubo } from '../../../../services/fuxi/tubo/server.ts';

/** A Tubo to be killed: starts one batch for each program and, when all run, prints the pids of their runners. */
const config = JSON.parse(process.argv[2]!) as RoleConfig;
const programs = JSON.parse(process.argv[3]!) as Program[];
const tubo = await startTubo(config, { workflows: { signal: async () => 'sent', listRunning: async () => [] }, log: silentLogger });
programs.forEach((program, i) => {
  const request: BatchRequest = {
    job: { workflowId: 'job', runId: 'run', name: 'job', user: 'tester' },
    task: 't',
    taskWorkflowId: 'job/t',
    taskRunId: `t-${i}`,
    batch: 1,
    container: { id: `c-${i}`, node: tubo.node },
    resources: { cpu: 1, memoryMiB: 256, virtual: {} },
    program,
    input: { kind: 'none' },
    output: { kind: 'none' },
    attempts: [{ instance: i, attempt: 1, backup: false }],
    budgetMs: 600_000,
  };
  void tubo.runBatch(request, { signal: new AbortController().signal, heartbeat: () => {} });
});

const { joinCluster } = await import('../../../../services/nuwa/client.ts');
const { tuboService } = await import('../../../../services/fuxi/contract.ts');
const { kuafu } = await joinCluster({ cluster: config.cluster, nuwa: config.nuwa, creator: 'test' });
const self = kuafu.service(tuboService, tubo.address);
for (;;) {
  const { attempts } = await self.attempts({});
  if (attempts.filter(({ pid }) => pid !== undefined).length === programs.length) {
    process.stdout.write(`${JSON.stringify(attempts.map(({ pid }) => pid))}\n`);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
