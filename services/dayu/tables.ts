import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  json,
  jsonb,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { type Descriptor, type PlanFacts, ROLLOUT_STATES, type Rollout } from './contract.ts';

/**
 * What Dayu means to be, and how it came to that. Invariants:
 *
 *  1. A release never changes, and neither does a version of a configuration: both are only added.
 *  2. Versions of an application's configuration have no holes; version 0, with no values, is there from its first release on and has no row.
 *  3. At most one rollout of an application is `running`: the partial unique index is the lock that two at once meet.
 *  4. `placements` is what the newest row of `placement_history` for its application and node says; nothing meant, no row.
 *  5. Placements change under the lock of their application's row.
 */
export const dayu = pgSchema('dayu');

const time = (name: string) => timestamp(name, { withTimezone: true });
const bytes = (name: string) => bigint(name, { mode: 'number' });

export const applications = dayu.table('applications', {
  name: text('name').primaryKey(),
  createdAt: time('created_at').notNull().defaultNow(),
});

export const releases = dayu.table(
  'releases',
  {
    application: text('application')
      .notNull()
      .references(() => applications.name),
    version: text('version').notNull(),
    /** SHA-256 of the archive, in hex; it is the archive's name in Pangu. */
    digest: text('digest').notNull(),
    bytes: bytes('bytes').notNull(),
    /** As text: `jsonb` would sort the keys, and the first port of a role is the one that is registered. */
    descriptor: json('descriptor').$type<Descriptor>().notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ name: 'releases_pkey', columns: [table.application, table.version] })],
);

export const configurations = dayu.table(
  'configurations',
  {
    application: text('application')
      .notNull()
      .references(() => applications.name),
    /** From 1. */
    version: integer('version').notNull(),
    values: jsonb('values').$type<Record<string, string>>().notNull(),
    by: text('by').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ name: 'configurations_pkey', columns: [table.application, table.version] })],
);

export const placements = dayu.table(
  'placements',
  {
    application: text('application').notNull(),
    node: text('node').notNull(),
    version: text('version').notNull(),
    configuration: integer('configuration').notNull(),
    since: time('since').notNull().defaultNow(),
    why: text('why').notNull(),
    /** Whether its instances were healthy once. */
    settled: boolean('settled').notNull().default(true),
  },
  (table) => [
    primaryKey({ name: 'placements_pkey', columns: [table.application, table.node] }),
    foreignKey({
      name: 'placements_release_fkey',
      columns: [table.application, table.version],
      foreignColumns: [releases.application, releases.version],
    }),
  ],
);

export const placementHistory = dayu.table(
  'placement_history',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    application: text('application').notNull(),
    node: text('node').notNull(),
    /** Null: nothing of the application from then on. */
    version: text('version'),
    configuration: integer('configuration').notNull(),
    at: time('at').notNull().defaultNow(),
    why: text('why').notNull(),
    workflowId: text('workflow_id').notNull(),
    runId: text('run_id').notNull(),
  },
  (table) => [index('placement_history_application_at_index').on(table.application, table.at)],
);

export const rollouts = dayu.table(
  'rollouts',
  {
    workflowId: text('workflow_id').notNull(),
    runId: text('run_id').notNull(),
    application: text('application')
      .notNull()
      .references(() => applications.name),
    version: text('version').notNull(),
    user: text('user').notNull(),
    state: text('state', { enum: ROLLOUT_STATES }).notNull(),
    reason: text('reason').notNull().default(''),
    document: json('document').$type<Rollout>().notNull(),
    /** What it was begun with: asked again, it is told the same. */
    facts: json('facts').$type<PlanFacts>().notNull(),
    startedAt: time('started_at').notNull().defaultNow(),
    endedAt: time('ended_at'),
  },
  (table) => [
    primaryKey({ name: 'rollouts_pkey', columns: [table.workflowId, table.runId] }),
    uniqueIndex('rollouts_one_running_key').on(table.application).where(sql`${table.state} = 'running'`),
    index('rollouts_application_started_at_index').on(table.application, table.startedAt),
    check('rollouts_state_check', sql`${table.state} in ('running', 'done', 'unchanged', 'rolledBack', 'aborted', 'failed')`),
    check('rollouts_ended_check', sql`(${table.state} = 'running') = (${table.endedAt} is null)`),
  ],
);
