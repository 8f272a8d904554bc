import { messageOf } from '../../base/errors.ts';
import { makeSnapshotFile } from './make.ts';
import type { SnapshotOrder, SnapshotterMessage } from './run.ts';

/** The snapshotter's process: one order, one answer. When its server dies there is nobody to make a snapshot for. */
process.once('disconnect', () => process.exit(1));

process.once('message', (order: SnapshotOrder) => {
  const answer = (message: SnapshotterMessage): void => {
    process.send!(message, () => process.exit(message.kind === 'made' ? 0 : 1));
  };
  makeSnapshotFile(order).then(
    (mark) => answer({ kind: 'made', mark }),
    (error: unknown) => answer({ kind: 'failed', problem: messageOf(error) }),
  );
});
