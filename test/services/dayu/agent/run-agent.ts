import { silentLogger } from '../../../../services/base/log.ts';
import type { RoleConfig } from '../../../../services/base/role.ts';
import { startDayuAgent } from '../../../../services/dayu/agent/server.ts';
import type { Deployment } from '../../../../services/dayu/contract.ts';

/** An agent to be killed: deploys what it is given, prints its instances, and lives until then. */
const [config, deployment] = process.argv.slice(2).map((text) => JSON.parse(text)) as [RoleConfig, Deployment];
const agent = await startDayuAgent(config, { log: silentLogger });
const control = { signal: new AbortController().signal, heartbeat: () => {}, healthyWithinMs: 20_000 };
process.stdout.write(`${JSON.stringify(await agent.deploy(deployment, control))}\n`);
