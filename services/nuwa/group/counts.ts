import { Durations } from './durations.ts';

/** What a server of a group counts, in plain fields; tell.ts makes metrics of it. */
export class GroupCounts {
  /** Changes and linearizable reads of this server's clients. */
  proposals = 0;
  reads = 0;
  /** Reads and changes that nobody could answer. */
  unanswered = 0;
  /** Times that this server began to lead, and that it heard of another leader or of none. */
  led = 0;
  leaderChanges = 0;
  peersLost = 0;
  /** From a change to its answer, and from writes to their being on the disk. */
  readonly commit = new Durations();
  readonly sync = new Durations();
}
