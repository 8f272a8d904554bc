/** What an expansion and a shrinking have in common: who hears of them, how a document is refused, how they are aborted, how failures read. */
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { Activities } from '../../activities/index.ts';
import { describeProblems } from '../../services/base/problems.ts';
import type { Problem } from '../../services/dayu/contract.ts';
import { nodesDetails } from '../../services/dayu/core/nodes-details.ts';
import type { NodesState } from '../../services/dayu/core/nodes-state.ts';
import type { NodesPhase } from '../../services/dayu/nodes-contract.ts';
import { SEARCH_ATTRIBUTE_KEYS } from '../fuxi/search-attributes.ts';
import { DESCRIPTIONS, nodesAbortUpdate, nodesPlanQuery, nodesProgressQuery } from './node-messages.ts';

const RETRY = { initialInterval: '200 milliseconds', maximumInterval: '5 seconds' } as const;

/** Calls that are over in a moment, or tried again. */
export const quick = proxyActivities<Activities>({ startToCloseTimeout: '30 seconds', retry: RETRY });
/** Those that move data, start processes or wait for people; that they live is what their heartbeats say. */
export const long = proxyActivities<Activities>({ startToCloseTimeout: '30 days', heartbeatTimeout: '15 seconds', retry: RETRY });

export function refuse(type: 'InvalidExpand' | 'InvalidShrink', problems: Problem[]): ApplicationFailure {
  const lines = problems.map(({ path, message }) => `- \`${path || 'document'}\`: ${message}`);
  setCurrentDetails(`**${type}**\n\n${lines.join('\n')}`);
  return ApplicationFailure.create({ nonRetryable: true, type, message: describeProblems(problems), details: [problems] });
}

export class NodesRun {
  readonly state: NodesState;
  readonly #user: string;
  /** What an abort cuts off. */
  readonly #undoable = new CancellationScope();

  constructor(state: NodesState, user: string) {
    this.state = state;
    this.#user = user;
  }

  begin(): void {
    const abortDescription = this.state.kind === 'expand' ? DESCRIPTIONS.abortExpand : DESCRIPTIONS.abortShrink;
    setHandler(nodesProgressQuery, () => this.state.progress(), { description: DESCRIPTIONS.progress });
    setHandler(nodesPlanQuery, () => this.state.plan ?? null, { description: DESCRIPTIONS.plan });
    setHandler(nodesAbortUpdate, () => this.#abort(), { validator: () => this.state.assertCanAbort(), description: abortDescription });
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.user, value: this.#user }]);
    this.enter('checking');
  }

  enter(phase: NodesPhase): void {
    this.state.phase = phase;
    this.show();
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.phase, value: phase }]);
  }

  show(): void {
    setCurrentDetails(nodesDetails(this.state.progress(), this.state.plan));
  }

  end(phase: 'done' | 'aborted' | 'failed', reason?: string): void {
    this.state.ended(phase, reason, Date.now());
    this.enter(phase);
  }

  /** Runs what can be undone; @returns whether it came to its end: false when it was aborted. A cancellation by Temporal goes on as an error. */
  async undoable(work: () => Promise<void>): Promise<boolean> {
    try {
      await this.#undoable.run(work);
      return !this.state.aborting;
    } catch (error) {
      if (this.state.aborting && isCancellation(error)) return false;
      throw error;
    }
  }

  #abort(): void {
    this.state.aborting = true;
    this.#undoable.cancel();
  }
}

/** The cause that a person can act on becomes the workflow's own failure. */
export function explained(error: unknown): unknown {
  const root = rootOf(error);
  if (isCancellation(error) || !(root instanceof ApplicationFailure)) return error;
  return ApplicationFailure.create({
    nonRetryable: true,
    type: root.type ?? 'NodesFailed',
    message: root.message,
    details: root.details ?? [],
  });
}

export function rootOf(error: unknown): Error {
  let root = error as Error;
  while (root.cause instanceof Error && !(root instanceof ApplicationFailure)) root = root.cause;
  return root;
}
