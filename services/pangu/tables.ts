import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  check,
  customType,
  foreignKey,
  index,
  integer,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  unique,
} from 'drizzle-orm/pg-core';
import { LEDGER_KINDS } from './core/ledger.ts';
import { CHUNK_STATES, FILE_KINDS, FILE_STATES, INODE_TYPES } from './core/states.ts';

/**
 * Pangu's metadata. Invariants:
 *
 *  1. An inode is in the tree when following `parent` from it leads to the root. `parent` is null for the root, for a file being
 *     written with mode `w` (hidden: `target` says where it will appear) and for what was removed (`deletedAt` is set).
 *  2. Names are unique within a directory, and ordered by their bytes.
 *  3. The tree has no cycles: directories move only under one advisory lock (see ops/rename.ts).
 *  4. A row with children cannot go, and a child cannot join a row that is gone: the foreign key holds both against races.
 *  5. `size` of a file is the sum of `length` over its chunks; in a closed file all are sealed and tile [0, size) by `offset`.
 *  6. A chunk of a closed file has at least one row in `replicas`.
 *  7. Each file on a chunk server's disk is named by a row in `replicas`, `copies` or `garbage`, from before it was made until after it is removed.
 *  8. A chunk is copied to one node at a time, and never to one that has it or has yet to remove it.
 *  9. `files` and `bytes` of a quota are the number and the summed `size` of the files below its directory, in every state that a transaction can see:
 *     triggers on `inodes` keep it so (master/quotas.ts).
 */
export const pangu = pgSchema('pangu');

/** Names compare by bytes, whatever the locale of the database. */
const byteOrderedText = customType<{ data: string }>({ dataType: () => 'text collate "C"' });
const bytes = (name: string) => bigint(name, { mode: 'number' });
const binary = customType<{ data: Uint8Array; driverData: Buffer }>({ dataType: () => 'bytea' });
const time = (name: string) => timestamp(name, { withTimezone: true });

export const inodes = pangu.table(
  'inodes',
  {
    /** Chosen by whoever makes it, so that making it twice is making it once. */
    id: text('id').primaryKey(),
    parent: text('parent'),
    name: byteOrderedText('name').notNull(),
    type: text('type', { enum: INODE_TYPES }).notNull(),
    state: text('state', { enum: FILE_STATES }).notNull(),
    kind: text('kind', { enum: FILE_KINDS }).notNull().default('append'),
    size: bytes('size').notNull().default(0),
    chunkBytes: integer('chunk_bytes').notNull().default(0),
    replicas: integer('replicas').notNull().default(0),
    /** Of acknowledged bytes: at least so many have them. */
    minReplicas: integer('min_replicas').notNull().default(1),
    /** The writer's lease: whoever writes says this number, and it grows with each new writer, so that an old one is told from the present one. */
    epoch: bytes('epoch').notNull().default(0),
    /** The writer: the id of a client in Nuwa (client/lease), which lives as long as its session; null when nobody writes. */
    writer: text('writer'),
    /** A master closes it for a writer that is gone (master/recover-file.ts), and until then others leave it to that one. */
    recoveryUntil: time('recovery_until'),
    /** Whose it is: the name of the identity that made it, or what `chown` said; empty where nobody was named. */
    owner: text('owner').notNull().default(''),
    createdAt: time('created_at').notNull().defaultNow(),
    modifiedAt: time('modified_at').notNull().defaultNow(),
    /** The path a hidden file takes when it is closed. */
    target: text('target'),
    deletedAt: time('deleted_at'),
  },
  (table) => [
    foreignKey({ name: 'inodes_parent_fkey', columns: [table.parent], foreignColumns: [table.id] }),
    unique('inodes_parent_name_key').on(table.parent, table.name),
    index('inodes_deleted_at_index').on(table.deletedAt).where(sql`${table.deletedAt} is not null`),
    // Files that somebody writes, or wrote when it vanished.
    index('inodes_writer_index').on(table.writer).where(sql`${table.writer} is not null`),
    // The few that masters look through every few seconds.
    index('inodes_random_index').on(table.id).where(sql`${table.kind} = 'random'`),
    check('inodes_kind_check', sql`${table.kind} in ('append', 'log', 'random')`),
    check('inodes_type_check', sql`${table.type} in ('file', 'directory')`),
    check('inodes_state_check', sql`${table.state} in ('open', 'closed')`),
    check('inodes_no_self_parent_check', sql`${table.parent} <> ${table.id}`),
  ],
);

export const chunks = pangu.table(
  'chunks',
  {
    id: text('id').primaryKey(),
    file: text('file')
      .notNull()
      .references(() => inodes.id),
    /** The writer's own count of chunks it asked for; order in the file is `offset`. */
    index: integer('index').notNull(),
    offset: bytes('offset').notNull().default(0),
    /** Bytes that readers may see: all once sealed, those synced so far before. */
    length: bytes('length').notNull().default(0),
    state: text('state', { enum: CHUNK_STATES }).notNull().default('open'),
    /** Of a chunk of a `random` file: grows whenever a replica missed a write. Replicas of another version are never read. */
    version: bytes('version').notNull().default(0),
    /** Of a chunk of a `log` file: the node that puts its records in order. */
    primary: text('primary_node'),
  },
  (table) => [
    unique('chunks_file_index_key').on(table.file, table.index),
    // Where logs grow.
    index('chunks_open_log_index').on(table.file).where(sql`${table.state} = 'open' and ${table.primary} is not null`),
    check('chunks_state_check', sql`${table.state} in ('open', 'sealed')`),
  ],
);

export const replicas = pangu.table(
  'replicas',
  {
    chunk: text('chunk')
      .notNull()
      .references(() => chunks.id),
    node: text('node').notNull(),
  },
  (table) => [
    primaryKey({ name: 'replicas_pkey', columns: [table.chunk, table.node] }),
    // What a node holds, in the order in which it is gone through.
    index('replicas_node_index').on(table.node, table.chunk),
  ],
);

/** Chunk files to be removed from chunk servers' disks. */
export const garbage = pangu.table('garbage', { chunk: text('chunk').notNull(), node: text('node').notNull() }, (table) => [
  primaryKey({ name: 'garbage_pkey', columns: [table.node, table.chunk] }),
]);

/** Replicas being made. One that is not done by `until` becomes garbage, and whoever makes it is not to believe in it any more. */
export const copies = pangu.table('copies', {
  chunk: text('chunk').primaryKey(),
  node: text('node').notNull(),
  until: time('until').notNull(),
});

/** Commands that were carried out, by the id their caller gave them: asked again after a lost reply, they are done already. */
export const requests = pangu.table('requests', { id: text('id').primaryKey(), keepUntil: time('keep_until').notNull() }, (table) => [
  index('requests_keep_until_index').on(table.keepUntil),
]);

/** What masters and chunk servers make and check tickets with (core/ticket.ts); one a day. */
export const ticketKeys = pangu.table('ticket_keys', {
  id: text('id').primaryKey(),
  secret: binary('secret').notNull(),
  createdAt: time('created_at').notNull(),
});

/** How much a directory may hold, all below it together; usage is kept for directories with a quota alone. */
export const quotas = pangu.table(
  'quotas',
  {
    directory: text('directory')
      .primaryKey()
      .references(() => inodes.id, { onDelete: 'cascade' }),
    /** Null: no limit. */
    filesMax: bytes('files_max'),
    bytesMax: bytes('bytes_max'),
    files: bytes('files').notNull(),
    bytes: bytes('bytes').notNull(),
  },
  (table) => [check('quotas_some_limit_check', sql`${table.filesMax} >= 0 or ${table.bytesMax} >= 0`)],
);

/** Extended attributes. */
export const attributes = pangu.table(
  'attributes',
  {
    inode: text('inode')
      .notNull()
      .references(() => inodes.id, { onDelete: 'cascade' }),
    name: byteOrderedText('name').notNull(),
    value: binary('value').notNull(),
  },
  (table) => [primaryKey({ name: 'attributes_pkey', columns: [table.inode, table.name] })],
);

/**
 * Where the last records that a writer sent to a log came to stand, of chunks that were sealed: a writer whose reply was lost learns here that they are in. Kept
 * for far longer than a writer tries.
 */
export const logMarks = pangu.table(
  'log_marks',
  {
    file: text('file')
      .notNull()
      .references(() => inodes.id, { onDelete: 'cascade' }),
    writer: text('writer').notNull(),
    /** The writer's own count of its calls. */
    sequence: bytes('sequence').notNull(),
    /** In the file. */
    offset: bytes('offset').notNull(),
    at: time('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ name: 'log_marks_pkey', columns: [table.file, table.writer] }), index('log_marks_at_index').on(table.at)],
);

/** What is set once for the whole cluster and read by every master, by name (core/settings.ts). */
export const settings = pangu.table('settings', { name: text('name').primaryKey(), value: text('value').notNull() });

// ---- healing (master/control) ----

/** Chunk servers that are missed. What they hold counts for redundancy until `deadAt` is set, and again once they are back: then the row goes. */
export const nodes = pangu.table('nodes', {
  id: text('id').primaryKey(),
  goneAt: time('gone_at').notNull(),
  deadAt: time('dead_at'),
});

/** Every loss and recovery of redundancy, written in the transaction of the change it tells (core/ledger.ts). */
export const ledger = pangu.table(
  'ledger',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    at: time('at').notNull().defaultNow(),
    kind: text('kind', { enum: LEDGER_KINDS }).notNull(),
    chunk: text('chunk'),
    node: text('node'),
    bytes: bytes('bytes').notNull().default(0),
    cause: text('cause').notNull().default(''),
  },
  (table) => [
    index('ledger_at_index').on(table.at),
    index('ledger_chunk_index').on(table.chunk, table.id),
    index('ledger_node_index').on(table.node, table.id),
  ],
);
