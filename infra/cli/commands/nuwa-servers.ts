import type { Command } from 'commander';
import type { ServerStatus } from '../../../services/nuwa/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { clusterIn } from '../ui/cluster.ts';
import { asAddress, type NuwaOptions, nuwaVerb, schemeOf, withServers } from '../ui/nuwa.ts';
import { askGroup, assertAnswered, atLeader, type GroupView, groupTable, silenceOf, viewAsJson, viewOf } from '../ui/nuwa-group.ts';
import { strictProblemsOf } from '../ui/nuwa-health.ts';
import { renderTable } from '../ui/table.ts';

type Members = ServerStatus['members'];

/** The group itself: how its servers stand, and who belongs to it. */
export function registerServers(nuwa: Command): void {
  nuwaVerb(
    nuwa,
    'status',
    'the servers of the group: who leads, how far the others are, what each holds; exit code 1 when nobody leads, with --strict when anything is wrong',
    'feitian nuwa status',
    'feitian nuwa status --nuwa 10.77.0.1:20500,10.77.0.2:20500',
    'feitian nuwa status --strict',
  )
    .option('--strict', 'exit code 1 unless all servers answer, keep up, and know of nothing that is wrong')
    .action(
      action(async (options: NuwaOptions & { strict?: boolean }) => {
        const view = await withServers(options, async (kuafu, addresses) => viewOf(await askGroup(kuafu, addresses)));
        const problems = strictProblemsOf(view);
        if (options.json) printJson({ ...viewAsJson(view), well: problems.length === 0, problems });
        else print([groupTable(view), ...told(view, problems)].join('\n'));
        if (view.leader === undefined || (options.strict && problems.length > 0)) process.exitCode = 1;
      }),
    );

  const members = nuwaVerb(
    nuwa,
    'members',
    'who belongs to the group; with a verb, a change of that, one at a time',
    'feitian nuwa members',
    'feitian nuwa members add nuwa-4 10.77.0.4:20500',
    'feitian nuwa members promote nuwa-4',
  )
    .enablePositionalOptions()
    .action(
      action(async (options: NuwaOptions) => {
        const view = await withServers(options, async (kuafu, addresses) => viewOf(await askGroup(kuafu, addresses)));
        assertAnswered(view);
        const list = view.servers.find(({ id }) => id === view.leader)?.status?.members ?? view.servers.flatMap(knownMember);
        if (options.json) printJson({ members: list });
        else print(membersTable(list));
      }),
    );

  nuwaVerb(
    members,
    'add <id> <address>',
    'a server more, as a learner: it gets the log and has no vote yet',
    'feitian nuwa members add nuwa-4 10.77.0.4:20500',
  ).action(
    action(async (id: string, address: string, options: NuwaOptions) => {
      const at = asAddress(address, schemeOf(await clusterIn(options.dir).catch(() => undefined)));
      await change(options, { kind: 'add', id, address: at });
      if (options.json) return;
      print(`
${id} is a learner. Start it, if it does not run:
  feitian run nuwa --nuwa-id ${id} --listen ${at} --data <directory>
When it has caught up (feitian nuwa status shows its lag), give it a vote:
  feitian nuwa members promote ${id}`);
    }),
  );
  nuwaVerb(members, 'promote <id>', 'give a learner that has caught up a vote', 'feitian nuwa members promote nuwa-4').action(
    action((id: string, options: NuwaOptions) => change(options, { kind: 'promote', id })),
  );
  nuwaVerb(
    members,
    'remove <id>',
    'take a server out of the group; it may be dead, or have lost its files. What comes in its place gets another name and an empty directory',
    'feitian nuwa members remove nuwa-2',
  ).action(action((id: string, options: NuwaOptions) => change(options, { kind: 'remove', id })));
  nuwaVerb(members, 'move <id> <address>', 'the server answers elsewhere now', 'feitian nuwa members move nuwa-2 10.77.0.9:20500').action(
    action(async (id: string, address: string, options: NuwaOptions) => {
      const at = asAddress(address, schemeOf(await clusterIn(options.dir).catch(() => undefined)));
      await change(options, { kind: 'move', id, address: at });
    }),
  );
  nuwaVerb(
    members,
    'transfer <id>',
    'the server that leads hands over to this one, as before its machine is stopped',
    'feitian nuwa members transfer nuwa-3',
  ).action(
    action(async (id: string, options: NuwaOptions) => {
      const { leader } = await withServers(options, (kuafu, addresses) =>
        atLeader(kuafu, addresses, (server) => server.transferLeadership({ to: id })),
      );
      if (options.json) printJson({ leader });
      else print(`${leader} leads`);
    }),
  );
}

function assertNamed(id: string): void {
  if (id.trim() === '') throw new UsageError('name the server, such as nuwa-4');
}

async function change(
  options: NuwaOptions,
  request: { kind: 'add' | 'promote' | 'remove' | 'move'; id: string; address?: string },
): Promise<void> {
  assertNamed(request.id);
  const { members } = await withServers(options, (kuafu, addresses) =>
    atLeader(kuafu, addresses, async (server) => {
      // A new leader takes no change of the group before an entry of its term is committed, without which it answers no read either.
      await server.get({ path: '/' });
      return await server.changeMembers(request);
    }),
  );
  if (options.json) printJson({ members });
  else print(membersTable(members));
}

/** Where nobody answers, why, once. */
function told(view: GroupView, problems: readonly string[]): string[] {
  const silence = silenceOf(view);
  if (silence !== undefined) return ['', silence];
  return problems.length > 0 ? ['', ...problems] : [];
}

function membersTable(members: Members): string {
  const rows = members.map(({ id, role, address }) => [id, role, address.replace('tcp://', '')]);
  return renderTable([{ title: 'server' }, { title: 'role' }, { title: 'address' }], rows);
}

const knownMember = ({ id, address, state, status }: GroupView['servers'][number]): Members => {
  if (state === 'outsider') return [];
  return [status?.members.find((member) => member.id === id) ?? { id, address, role: state === 'learner' ? 'learner' : 'voter' }];
};
