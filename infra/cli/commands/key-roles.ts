import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { ensureRoleKeys, processesOf } from '../../security/role-keys.ts';
import { action, print, printJson } from '../ui/action.ts';
import { durationOption } from '../ui/duration-option.ts';
import { renderTable } from '../ui/table.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** `feitian key roles`: the keys of all processes of a deployment at once. */
export function registerRoles(key: Command): void {
  verb(
    key,
    'roles',
    'make the keys of all processes of a deployment, where the issuer is; again it renews those that are past half of their time',
    'feitian key roles --nodes m1,m2 --nuwa-servers nuwa-1,nuwa-2,nuwa-3',
    'feitian key roles --nodes m1 --process services=pangu-master,fuxi-master,dayu-master,worker,shennong --out keys-to-hand-out',
  )
    .option('--nodes <ids>', 'a key for each node, with which a process plays pangu-chunk, tubo or both there', list, [])
    .option('--nuwa-servers <ids>', 'a key for each server of the group (default: one for the role)', list, [])
    .option('--process <name=role,…>', 'a key for a process that plays these roles; several with a --process each', together, {})
    .option('--out <directory>', "where they go, with trust.json and without the issuer's and the administrator's (default: <dir>/keys)")
    .option('--cluster <name>', 'of a new issuer', 'local')
    .addOption(
      durationOption('--ttl <time>', 'for how long tokens are good; run this again before half of it is over').default(
        90 * 86_400_000,
        '90d',
      ),
    )
    .option('--force', 'put trust.json in the place of another that is no file of this cluster')
    .action(action(roles));
}

interface RolesFlags extends VerbOptions {
  nodes: string[];
  nuwaServers: string[];
  process: Record<string, string[]>;
  out?: string;
  cluster: string;
  ttl: number;
  force?: boolean;
}

async function roles({ dir, json, nodes, nuwaServers, process: together, out, cluster, ttl: ttlMs, force }: RolesFlags): Promise<void> {
  const processes = processesOf({ nodes, nuwaServers, together });
  const keys = resolve(dir, 'keys');
  const made = await ensureRoleKeys(
    { keys, ...(out === undefined ? {} : { out: resolve(out) }), cluster, processes, ttlMs, ...(force ? { force } : {}) },
    Date.now(),
  );
  if (json) return printJson(made);
  const rows = made.identities.map(({ name, roles, file }) => [name, roles.join(' '), file]);
  print(renderTable([{ title: 'name' }, { title: 'plays' }, { title: 'FEITIAN_IDENTITY' }], rows));
  print(`\nFEITIAN_TRUST, for all: ${made.trustFile}\nthe administrator, for you alone: ${made.adminFile}`);
  print(`whoever has ${join(keys, 'issuer.pem')} can give anybody anything: it stays here`);
}

const list = (text: string): string[] => text.split(',').filter((part) => part !== '');

function together(text: string, before: Record<string, string[]>): Record<string, string[]> {
  const [name, roles, ...more] = text.split('=');
  if (!name || !roles || more.length > 0) throw new InvalidArgumentError('not <name>=<role>,<role>….');
  return { ...before, [name]: list(roles) };
}
