/** Rows as the contract's words: what several operations read or write. */
import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import type { Queryable } from '../../base/database.ts';
import {
  type Application,
  type Configuration,
  DayuError,
  type Deployment,
  type Placement,
  type Release,
  type RolloutRecord,
} from '../contract.ts';
import { applications, configurations, placements, releases, rollouts } from '../tables.ts';

/** With `lock`, whoever else wants to change what belongs to the application waits for this transaction. Errors: UnknownApplication. */
export async function assertApplication(db: Queryable, application: string, options: { lock?: boolean } = {}): Promise<void> {
  const query = db.select({ name: applications.name }).from(applications).where(eq(applications.name, application));
  const found = await (options.lock ? query.for('update') : query);
  if (found.length === 0)
    throw new DayuError('UnknownApplication', `there is no application ${application}; a package makes one: feitian dayu pack`);
}

/** Newest first. */
export async function releasesOf(db: Queryable, application: string): Promise<Release[]> {
  const rows = await db.select().from(releases).where(eq(releases.application, application)).orderBy(desc(releases.createdAt));
  return rows.map(toRelease);
}

export function toRelease({ createdAt, ...release }: typeof releases.$inferSelect): Release {
  return { ...release, createdAtMs: createdAt.getTime() };
}

/** The newest one; version 0, without values, when there was no change yet. */
export async function configurationOf(db: Queryable, application: string): Promise<Configuration> {
  const [row] = await db
    .select({ version: configurations.version, values: configurations.values })
    .from(configurations)
    .where(eq(configurations.application, application))
    .orderBy(desc(configurations.version))
    .limit(1);
  return row ?? { version: 0, values: {} };
}

export async function placementsOf(db: Queryable, application: string): Promise<Placement[]> {
  const rows = await db.select().from(placements).where(eq(placements.application, application)).orderBy(placements.node);
  return rows.map(({ node, version, configuration, since, why, settled }) => ({
    node,
    version,
    configuration,
    sinceMs: since.getTime(),
    why,
    ...(settled ? {} : { settled }),
  }));
}

/** The one under way, or the last. */
export async function rolloutOf(db: Queryable, application: string): Promise<RolloutRecord | undefined> {
  const [row] = await db
    .select()
    .from(rollouts)
    .where(eq(rollouts.application, application))
    .orderBy(sql`${rollouts.state} = 'running' desc`, desc(rollouts.startedAt))
    .limit(1);
  return row && toRollout(row);
}

export function toRollout(row: typeof rollouts.$inferSelect): RolloutRecord {
  const { workflowId, runId, application, version, user, state, reason, startedAt, endedAt } = row;
  const ended = endedAt ? { endedAtMs: endedAt.getTime() } : {};
  return { workflowId, runId, application, version, user, state, reason, startedAtMs: startedAt.getTime(), ...ended };
}

export async function readApplication(db: Queryable, application: string): Promise<Application> {
  const rollout = await rolloutOf(db, application);
  return {
    application,
    releases: await releasesOf(db, application),
    configuration: await configurationOf(db, application),
    placements: await placementsOf(db, application),
    ...(rollout ? { rollout } : {}),
  };
}

/** What a node has to know to run each of these; whoever asks knows that they are there. */
export async function deploymentsOf(
  db: Queryable,
  application: string,
  wanted: readonly { version: string; configuration: number }[],
): Promise<Deployment[]> {
  if (wanted.length === 0) return [];
  const found = await db
    .select()
    .from(releases)
    .where(and(eq(releases.application, application), inArray(releases.version, [...new Set(wanted.map(({ version }) => version))])));
  const configured = await db
    .select({ version: configurations.version, values: configurations.values })
    .from(configurations)
    .where(
      and(
        eq(configurations.application, application),
        inArray(configurations.version, [...new Set(wanted.map((each) => each.configuration))]),
      ),
    );
  const distinct = new Map(wanted.map((each) => [`${each.version} ${each.configuration}`, each]));
  return [...distinct.values()].flatMap(({ version, configuration }) => {
    const release = found.find((each) => each.version === version);
    if (!release) return [];
    const { createdAt: _createdAt, ...rest } = release;
    return [{ release: rest, configuration: configured.find((each) => each.version === configuration) ?? { version: 0, values: {} } }];
  });
}
