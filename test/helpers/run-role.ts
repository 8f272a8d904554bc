import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isRoleName, loadRole, type RoleName } from '../../infra/roles.ts';
import { armFaultPoint } from '../../services/base/fault-points.ts';
import type { RoleConfig, RunningRole } from '../../services/base/role.ts';

/** A process that plays one role for a test: `run-role.ts <role> <config as JSON> [<options of the role as JSON>]`. Prints its address; ends when its parent does. */
const [role, config, options = '{}'] = process.argv.slice(2);
if (!role || !config || !isRoleName(role)) throw new Error('usage: run-role.ts <role> <config>');
createInterface({ input: process.stdin })
  // Whoever wants this process to stop at a point says its name; it stands still there until it is killed or told to go on.
  .on('line', (point) => {
    armFaultPoint(point, () => {
      writeSync(1, `${JSON.stringify({ stoppedAt: point })}\n`);
      process.kill(process.pid, 'SIGSTOP');
    });
    writeSync(1, `${JSON.stringify({ armed: point })}\n`);
  })
  .on('close', () => process.exit(0));
const settings = JSON.parse(config) as RoleConfig;
const running = await startWith(JSON.parse(options) as object);
process.stdout.write(`${JSON.stringify({ address: running.address })}\n`);
process.on('SIGTERM', () => void running.stop().then(() => process.exit(0)));

/** Some take more than the command line of a role can say. */
async function startWith(more: object): Promise<RunningRole> {
  if (role === 'pangu-master') return (await import('../../services/pangu/master/server.ts')).startMaster(settings, more);
  if (role === 'pangu-chunk') return (await import('../../services/pangu/chunk/server.ts')).startChunkServer(settings, more);
  return (await loadRole(role as RoleName))(settings);
}
