import { sql } from 'drizzle-orm';
import { check, index, jsonb, pgSchema, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { ANOMALY_STATES } from './contract.ts';

/**
 * Shennong's records. Invariants:
 *
 *  1. One row for each firing of an alert: the alert's fingerprint and the time it began to fire.
 *  2. A row goes from firing to resolved and never back: what Alertmanager sends late, or twice, changes nothing.
 *  3. `endsAt` is there exactly once the row is resolved.
 */
export const shennong = pgSchema('shennong');

const time = (name: string) => timestamp(name, { withTimezone: true });

export const anomalies = shennong.table(
  'anomalies',
  {
    fingerprint: text('fingerprint').notNull(),
    startsAt: time('starts_at').notNull(),
    endsAt: time('ends_at'),
    state: text('state', { enum: ANOMALY_STATES }).notNull(),
    alert: text('alert').notNull(),
    severity: text('severity').notNull(),
    node: text('node'),
    summary: text('summary').notNull(),
    labels: jsonb('labels').$type<Record<string, string>>().notNull(),
    annotations: jsonb('annotations').$type<Record<string, string>>().notNull(),
    updatedAt: time('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'anomalies_pkey', columns: [table.fingerprint, table.startsAt] }),
    index('anomalies_starts_at_index').on(table.startsAt),
    check('anomalies_state_check', sql`${table.state} in ('firing', 'resolved')`),
    check('anomalies_ends_at_check', sql`(${table.endsAt} is not null) = (${table.state} = 'resolved')`),
  ],
);
