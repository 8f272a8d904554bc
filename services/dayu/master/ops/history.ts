import { desc, eq } from 'drizzle-orm';
import type { Queryable } from '../../../base/database.ts';
import type { HistoryEntry } from '../../contract.ts';
import { configurations, placementHistory, releases, rollouts } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';
import { assertApplication } from '../store.ts';

/** The newest of each kind, joined: whatever is among the newest of all is among the newest of its kind. */
export async function history({ db }: MasterContext, { application, limit }: Request<'history'>): Promise<Reply<'history'>> {
  await assertApplication(db, application);
  const kinds = await Promise.all([placed, rolled, released, configured].map((read) => read(db, application, limit)));
  // Of the same moment, a placement comes after what caused it, so in this order it stands before.
  const entries = kinds.flat().sort((a, b) => b.atMs - a.atMs);
  return { entries: entries.slice(0, limit) };
}

async function released(db: Queryable, application: string, limit: number): Promise<HistoryEntry[]> {
  const rows = await db.select().from(releases).where(eq(releases.application, application)).orderBy(desc(releases.createdAt)).limit(limit);
  return rows.map(({ version, digest, bytes, createdAt }) => ({
    atMs: createdAt.getTime(),
    kind: 'release',
    version,
    text: `${version} was registered: ${bytes} bytes, ${digest.slice(0, 12)}`,
  }));
}

async function configured(db: Queryable, application: string, limit: number): Promise<HistoryEntry[]> {
  const rows = await db
    .select()
    .from(configurations)
    .where(eq(configurations.application, application))
    .orderBy(desc(configurations.version))
    .limit(limit);
  return rows.map(({ version, values, by, createdAt }) => {
    const names = Object.keys(values);
    return {
      atMs: createdAt.getTime(),
      kind: 'configuration',
      text: `configuration ${version} by ${by}: ${names.length > 0 ? `sets ${names.join(', ')}` : 'sets nothing'}`,
    };
  });
}

async function placed(db: Queryable, application: string, limit: number): Promise<HistoryEntry[]> {
  const rows = await db
    .select()
    .from(placementHistory)
    .where(eq(placementHistory.application, application))
    .orderBy(desc(placementHistory.id))
    .limit(limit);
  return rows.map(({ node, version, configuration, at, why, workflowId }) => ({
    atMs: at.getTime(),
    kind: 'placement',
    node,
    ...(version === null ? {} : { version }),
    text: `${node}: ${version === null ? 'nothing' : `${version}, configuration ${configuration}`}: ${why}`,
    workflowId,
  }));
}

async function rolled(db: Queryable, application: string, limit: number): Promise<HistoryEntry[]> {
  const rows = await db.select().from(rollouts).where(eq(rollouts.application, application)).orderBy(desc(rollouts.startedAt)).limit(limit);
  return rows.flatMap(({ workflowId, version, user, state, reason, startedAt, endedAt }) => {
    const common = { kind: 'rollout' as const, version, workflowId };
    const began: HistoryEntry = { ...common, atMs: startedAt.getTime(), text: `rollout of ${version} by ${user} began` };
    if (!endedAt || state === 'running') return [began];
    const text = `rollout of ${version} ended: ${state}${reason ? `: ${reason}` : ''}`;
    return [{ ...common, atMs: endedAt.getTime(), text, outcome: state }, began];
  });
}
