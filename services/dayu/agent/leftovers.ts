/**
 * Instances that were started below a Tubo's directory, for a launcher that has to end them when their agent cannot. The process may be gone; what it left in its
 * group is to be ended too.
 */
import { readdir } from 'node:fs/promises';
import type { ProcessIdentity } from '../../base/process.ts';
import { findProcess } from './life.ts';
import { placesOf, servicesDirectory } from './places.ts';
import { readState } from './state-file.ts';

export async function findInstances(tuboDataDir: string): Promise<ProcessIdentity[]> {
  const directory = servicesDirectory(tuboDataDir);
  const names = await readdir(directory).catch(() => []);
  const found = await Promise.all(names.map((name) => instancesOf(directory, name)));
  return found.flat();
}

async function instancesOf(directory: string, application: string): Promise<ProcessIdentity[]> {
  const places = placesOf(directory, application);
  const state = await readState(places.stateFile).catch(() => undefined);
  const records = Object.entries(state?.instances ?? {});
  const found = await Promise.all(
    records.map(async ([role, record]) => {
      const { pid, startTime } = record;
      return pid !== undefined && startTime !== undefined ? { pid, startTime } : await findProcess(record, places.pidFile(role));
    }),
  );
  return found.filter((identity) => identity !== undefined);
}
