/**
 * Nodes are emptied, so that they can be switched off: nothing new comes to them, and their replicas are copied elsewhere, each counted before the old one
 * goes. It ends when nothing depends on them; they go on taking nothing new. Cancelled, they take new data again, and what was moved stays moved. A node that
 * is not there any more is emptied too: what it held is copied from others.
 */
import type { WorkResult } from '../../services/pangu/work-contract.ts';
import { quick, steps, WorkRun } from './work-run.ts';

/** So long writers may go on with chunks that they have begun on a node; a chunk of 64 MiB takes seconds. */
const OPEN_CHUNKS_MS = 15_000;
const UNDO_TRIES = 5;

export async function panguDrain(document: unknown): Promise<WorkResult> {
  const run = new WorkRun('drain', document);
  const here = (): string[] => run.state.plan!.nodes.filter(({ up }) => up).map(({ id }) => id);

  const drain = async (node: string, sealAtMs: number): Promise<void> => {
    for (let count = 1; ; count++) {
      const { done } = await run.step(node, (stepMs) => {
        const { bytesPerSecond } = run.state;
        const sealAfterMs = Math.max(0, sealAtMs - Date.now());
        const share = bytesPerSecond === undefined ? undefined : Math.max(1, Math.floor(bytesPerSecond / run.work.nodes.length));
        return steps.drainStep.executeWithOptions({ summary: `copy replicas of ${node} elsewhere, step ${count}` }, [
          { node, stepMs, sealAfterMs, bytesPerSecond: share },
        ]);
      });
      if (done) return;
    }
  };
  const body = async (): Promise<'done'> => {
    // All of them before anything moves, or replicas would go from one to the next.
    await Promise.all(
      here().map((node) => quick.setDraining.executeWithOptions({ summary: `nothing new to ${node}` }, [{ node, draining: true }])),
    );
    const sealAtMs = Date.now() + OPEN_CHUNKS_MS;
    await Promise.all(run.work.nodes.map((node) => drain(node, sealAtMs)));
    return 'done';
  };
  const undo = async (): Promise<void> => {
    if (!run.state.plan) return;
    // One that went away meanwhile must not hold up the end; it is told when somebody drains it again, or by hand.
    const options = (node: string) => ({ summary: `${node} takes new data again`, retry: { maximumAttempts: UNDO_TRIES } });
    await Promise.allSettled(here().map((node) => quick.setDraining.executeWithOptions(options(node), [{ node, draining: false }])));
  };
  return run.main(body, { undo });
}
