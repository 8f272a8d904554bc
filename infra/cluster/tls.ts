import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { authorityFiles } from '../../services/zhongkui/client.ts';
import { ClusterError } from '../errors.ts';
import type { Layout } from './layout.ts';

/**
 * TLS in a local cluster: an authority of its own, whose role runs beside the others, and one certificate, for this machine.
 *
 * By which scheme Nuwa's servers find each other stands in their log, so a directory keeps what it began with. What it began with is told by whether there is an
 * authority in it.
 */

/** Its name is what `localhost` is looked for by; so all three ways to call this machine fit its certificate. */
const MACHINE = 'localhost';
const ADDRESSES = ['127.0.0.1', '::1'];

/** Whether the directory's cluster speaks TLS. Errors: BadConfig, when it began without and is to do it now. */
export function settleTls(layout: Layout, wanted: boolean | undefined): boolean {
  if (existsSync(join(authorityFiles(layout.dataOf('zhongkui')).authority, 'authority.json'))) return true;
  if (wanted && existsSync(layout.nuwaFile))
    throw new ClusterError(
      'BadConfig',
      `the cluster in ${layout.dir} began without TLS and keeps to that: begin another with --dir, or this one anew, with nothing of what is in it, after "feitian down --delete-data"`,
    );
  return wanted ?? false;
}

/**
 * Makes sure of this machine's certificate. The processes renew it by themselves, through the role `zhongkui`; called now and then, this makes good what they
 * missed, as when the machine slept for days.
 */
export async function certifyMachine({ dataOf, machine: files }: Layout, cluster: string): Promise<void> {
  // Slow to load, and most clusters do without.
  const { joinHere } = await import('../security/join-here.ts');
  await joinHere({ directory: dataOf('zhongkui'), cluster, machine: MACHINE, addresses: ADDRESSES, files });
}
