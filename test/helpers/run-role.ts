import { isRoleName, loadRole } from '../../infra/roles.ts';
import type { RoleConfig } from '../../services/base/role.ts';

/** A process that plays one role for a test: `run-role.ts <role> <config as JSON>`. Prints its address; ends when its parent does. */
const [role, config] = process.argv.slice(2);
if (!role || !config || !isRoleName(role)) throw new Error('usage: run-role.ts <role> <config>');
process.stdin.on('end', () => process.exit(0)).resume();
const start = await loadRole(role);
const running = await start(JSON.parse(config) as RoleConfig);
process.stdout.write(`${JSON.stringify({ address: running.address })}\n`);
process.on('SIGTERM', () => void running.stop().then(() => process.exit(0)));
