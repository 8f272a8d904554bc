import { userInfo } from 'node:os';
import { ClusterError } from '../errors.ts';
import { runProgram } from './run-program.ts';

export interface UserIds {
  uid: number;
  gid: number;
}

const USER = 'postgres';

/** Whom Postgres runs as: ourselves, or, as it refuses to be root, the user `postgres`, who is made when missing. Errors: NoPostgres. */
export async function postgresUser(): Promise<UserIds | undefined> {
  if (userInfo().uid !== 0) return undefined;
  return (await lookUp()) ?? (await create());
}

async function lookUp(): Promise<UserIds | undefined> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => runProgram('id', [flag, USER], { timeoutMs: 10_000 })));
    return { uid: Number(uid!.stdout), gid: Number(gid!.stdout) };
  } catch {
    return undefined;
  }
}

async function create(): Promise<UserIds> {
  try {
    await runProgram('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', USER], {
      timeoutMs: 10_000,
    });
  } catch (cause) {
    // Two starts at once: the other one may have made it.
    const found = await lookUp();
    if (found) return found;
    const why = `Postgres can't run as root, and the user ${USER} could not be made (${(cause as Error).message})`;
    throw new ClusterError('NoPostgres', `${why}. Make that user, run as another one, or set FEITIAN_DATABASE_URL.`, { cause });
  }
  const made = await lookUp();
  if (!made) throw new ClusterError('NoPostgres', `the user ${USER} was made but is not found`);
  return made;
}

/** Whether that user gets into `directory`: every folder above it lets others pass. */
export async function canEnter(directory: string, user: UserIds): Promise<boolean> {
  return runProgram('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { timeoutMs: 10_000, cwd: '/', ...user }).then(
    () => true,
    () => false,
  );
}
