import { join, resolve } from 'node:path';

/** Where everything of one application lies on its node. */
export interface Places {
  readonly root: string;
  readonly stateFile: string;
  readonly releases: string;
  readonly logs: string;
  /** Pid files. */
  readonly run: string;
  /** Each instance's TMPDIR. */
  readonly temporary: string;
  release(digest: string): string;
  log(role: string): string;
  /** Written by each process of the role before it becomes the program. */
  pidFile(role: string): string;
  tmp(role: string): string;
}

/** Services of a node lie below the directory of its role `tubo`. */
export const servicesDirectory = (tuboDataDir: string): string => join(resolve(tuboDataDir), 'services');

export function placesOf(servicesDirectory: string, application: string): Places {
  const root = join(servicesDirectory, application);
  const releases = join(root, 'releases');
  const logs = join(root, 'logs');
  const run = join(root, 'run');
  const temporary = join(root, 'tmp');
  return {
    root,
    stateFile: join(root, 'state.json'),
    releases,
    logs,
    run,
    temporary,
    release: (digest) => join(releases, digest),
    log: (role) => join(logs, `${role}.log`),
    pidFile: (role) => join(run, `${role}.pid`),
    tmp: (role) => join(temporary, role),
  };
}
