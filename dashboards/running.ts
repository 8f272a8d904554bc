import { SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { workflowList } from './board.ts';
import { stat } from './panels.ts';
import { max, orZero, series } from './promql.ts';

/** Executions of a workflow type, as Temporal counts them. */
export const executions = (type: string, status: string): string => orZero(max(series(SHENNONG_METRICS.workflows, { type, status })));

/** What is under way, on the overview and on the dashboard of the subsystem alike. */
export const jobsRunning = () => running('Jobs', 'fuxiJob');
export const rolloutsRunning = () => running('Rollouts', 'dayuRollout');

function running(what: string, type: string) {
  return stat({
    title: `${what} running`,
    description: `${what} under way. A click opens their list in the Web UI.`,
    unit: 'short',
    link: workflowList(`running ${what.toLowerCase()} in the Web UI`, type, 'Running'),
    expression: executions(type, 'Running'),
  });
}
