import { Context } from '@temporalio/activity';

/** What the activity needs of the node it runs on. Tubo is one. */
export interface LeavingNode {
  leave(control: { graceMs: number; onWaiting: (batches: number) => void; signal: AbortSignal }): Promise<void>;
}

/** The node's work ends and no more comes. Queue `tubo:<node>`. Run again, also by a Tubo that was started anew, it goes on where it was. */
export function createLeaveTubo(node: LeavingNode) {
  return async function leaveTubo({ graceMs }: { graceMs: number }): Promise<void> {
    const context = Context.current();
    await node.leave({ graceMs, onWaiting: (batches) => context.heartbeat({ batches }), signal: context.cancellationSignal });
  };
}
