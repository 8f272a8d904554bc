import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { NodesPlan, NodesProgress } from '../../services/dayu/nodes-contract.ts';

/** Everything that is said to `dayuExpand` and `dayuShrink` while they run, by people. */
export const nodesProgressQuery = defineQuery<NodesProgress>('progress');
export const nodesPlanQuery = defineQuery<NodesPlan | null>('plan');
export const nodesAbortUpdate = defineUpdate<void>('abort');

/** What the Web UI says of each in its drop-downs. */
export const DESCRIPTIONS = {
  progress: 'Phase, and of every node its state and what was moved',
  plan: 'Which nodes, what they hold, and the steps; null until the cluster was looked at',
  abortExpand: 'Stop here: nodes that are there stay, and what was moved stays moved',
  abortShrink: 'As long as nodes drain: they take new data again, and stay',
} as const;
