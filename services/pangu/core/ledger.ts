/**
 * What the ledger tells of redundancy: each loss, each recovery, in the order in which they were so. An entry is written in the transaction that makes
 * it true, so the ledger and the tables cannot tell two stories; after a power cut both end at the same place.
 */
export const LEDGER_KINDS = [
  'nodeDead', // a server was missed for so long that what it holds is made again elsewhere; bytes: of its replicas
  'nodeBack', // and was there again
  'replicaMissed', // a writer had to leave it out
  'replicaLost', // its file is not on its disk any more
  'replicaBad', // its bytes are not what was written
  'replicaMade', // one more was copied; bytes: of it
  'replicaMoved', // it went to another node; bytes: of it
  'replicaOver', // there was one too many
  'replicaLeft', // its node is to leave, and others are enough
  'fileOrphaned', // a file on a disk that no row named was removed
  'chunkUnavailable', // no replica is on a server that is not dead
  'chunkDamaged', // each of its replicas was found damaged: nobody can read it
  'chunkAvailable', // and one was there again, or whole
] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

export interface LedgerNote {
  kind: LedgerKind;
  chunk?: string;
  node?: string;
  bytes?: number;
  /** In words, for people. */
  cause?: string;
}

export const LEDGER_KEEP_MS_DEFAULT = 30 * 24 * 3600_000;
