/** Queries that may give nothing on the cluster of monitoring.test.ts, each with the reason: what they show did not happen there. */
export interface Quiet {
  dashboard: string;
  panel: string;
  /** Of the queries of that panel only those with this in them. @default all */
  with?: string;
  reason: string;
}

const NO_FAILURE = 'nothing of this kind failed';
const NO_STREAMS = 'no service of the cluster has streams';

export const QUIET_QUERIES: readonly Quiet[] = [
  { dashboard: 'Overview', panel: 'Events', reason: 'an alert becomes a record only where there is an Alertmanager' },
  { dashboard: 'Overview', panel: 'Calls', with: 'code!="OK"', reason: NO_FAILURE },
  { dashboard: 'Pangu', panel: 'Refused and failed operations', reason: NO_FAILURE },
  { dashboard: 'Pangu', panel: 'Failed operations of chunk servers', reason: NO_FAILURE },
  { dashboard: 'Kuafu', panel: 'Calls that failed', reason: NO_FAILURE },
  { dashboard: 'Kuafu', panel: 'Calls that were refused', reason: NO_FAILURE },
  { dashboard: 'Kuafu', panel: 'Messages of streams', reason: NO_STREAMS },
  { dashboard: 'Kuafu', panel: 'Senders that wait for credit', reason: NO_STREAMS },
  { dashboard: 'Kuafu', panel: 'Waiting for credit', reason: NO_STREAMS },
  { dashboard: 'Zhongkui', panel: 'Refused calls', reason: NO_FAILURE },
  { dashboard: 'Zhongkui', panel: 'Turned away', reason: NO_FAILURE },
  { dashboard: 'Zhongkui', panel: 'Refusals by service', reason: NO_FAILURE },
  { dashboard: 'Zhongkui', panel: 'Refusals by method', reason: NO_FAILURE },
  { dashboard: 'Zhongkui', panel: 'Certificates', reason: 'machines of that cluster speak without TLS' },
  { dashboard: 'Dayu', panel: 'Unhealthy instances', reason: NO_FAILURE },
  { dashboard: 'Dayu', panel: 'Failed instances', reason: NO_FAILURE },
  { dashboard: 'Dayu', panel: 'Restarts', reason: NO_FAILURE },
  { dashboard: 'Temporal', panel: 'Failures', with: 'workflow_task', reason: 'no step of a workflow failed' },
  { dashboard: 'Temporal', panel: 'Errors', reason: NO_FAILURE },
];
