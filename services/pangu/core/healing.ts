import { z } from 'zod';
import { LEDGER_KEEP_MS_DEFAULT } from './ledger.ts';

/** How the cluster heals; one for all masters, kept in a table. Each says what it trades. */
const MIB = 1024 * 1024;

export const healingSchema = z.object({
  /** A server missed for so long is dead. Shorter copies what a restart would have brought back; longer lives with less redundancy. */
  deadAfterMs: z.int().min(0),
  /** Of all copies together. More heals sooner, and takes from those who read and write. */
  repairBytesPerSecond: z.int().min(1),
  /** At once, as source or target. A disk that reads for two copies still answers others. */
  copiesPerNode: z.int().min(1).max(64),
  /** So much that is lacking is a workflow's to make: planned, seen, paused. */
  workflowBytesMin: z.int().min(0),
  /** A file on a disk that no row names is removed after so long: time to notice that the tables are older than the disks. */
  orphanGraceMs: z.int().min(0),
  /** From one look at what lies on the disks to the next. */
  sweepMs: z.int().min(1),
  ledgerKeepMs: z.int().min(0),
});
export type Healing = z.output<typeof healingSchema>;

export const HEALING_DEFAULTS: Healing = {
  deadAfterMs: 10 * 60_000,
  repairBytesPerSecond: 64 * MIB,
  copiesPerNode: 2,
  workflowBytesMin: 1024 * MIB,
  orphanGraceMs: 3600_000,
  sweepMs: 10 * 60_000,
  ledgerKeepMs: LEDGER_KEEP_MS_DEFAULT,
};
