import { FeitianError } from '../services/base/errors.ts';

/** What can go wrong between a command line and a running cluster. */
export const CLUSTER_CODES = [
  'BadConfig', // a flag or an environment variable that can't be used
  'NoTemporal', // no Temporal CLI or test server found, and none to be fetched
  'NoPostgres', // no Postgres for this machine
  'StartFailed', // a step of the start failed; details.step, details.log
  'NotRunning', // no cluster in this directory
  'UnknownProcess', // no such role (on such a node) in this cluster
  'UnknownNode',
  'KeysBusy', // another process has been changing them for too long
  'Leftovers', // something of the cluster could not be stopped
] as const;
export type ClusterCode = (typeof CLUSTER_CODES)[number];

export class ClusterError extends FeitianError<ClusterCode> {
  static readonly codes = CLUSTER_CODES;
}
