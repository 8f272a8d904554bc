/** The `feitian` command. Each group of verbs is a file in `commands/` that registers itself; only the one that is asked for is loaded. */
import { Command, CommanderError } from 'commander';

const GROUPS: Record<string, () => Promise<{ register(program: Command): void }>> = {
  up: () => import('./commands/up.ts'),
  down: () => import('./commands/down.ts'),
  status: () => import('./commands/status.ts'),
  fs: () => import('./commands/fs.ts'),
  job: () => import('./commands/job.ts'),
  nuwa: () => import('./commands/nuwa.ts'),
  rpc: () => import('./commands/rpc.ts'),
  key: () => import('./commands/key.ts'),
  events: () => import('./commands/events.ts'),
  dayu: () => import('./commands/dayu.ts'),
  run: () => import('./commands/run.ts'),
  launch: () => import('./commands/launch.ts'),
};

/** Exit 0 is success, 1 failure, which the verbs set themselves (ui/action.ts), and 2 bad usage. */
const EXIT_USAGE = 2;

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('feitian').description('Feitian (飞天): many machines as one computer');
  const verb = argv[0];
  const groups = verb !== undefined && Object.hasOwn(GROUPS, verb) ? [GROUPS[verb]!] : Object.values(GROUPS);
  for (const load of groups) (await load()).register(program);
  throwInsteadOfExit(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE; // it has said why
  }
}

/** Commander would exit 1 on bad usage. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride().showHelpAfterError('(--help tells more)');
  for (const child of command.commands) throwInsteadOfExit(child);
}

// A reader that goes away, as `| head` does, has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
  process.stderr.write(`feitian: standard output: ${error.message}\n`);
  process.exit(1);
});

await main(process.argv.slice(2));
