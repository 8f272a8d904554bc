import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { Healing } from '../../core/healing.ts';
import type { MasterContext } from '../context.ts';
import * as claims from '../control/claim.ts';
import { findDeviations } from '../control/deviations.ts';
import { controlHolder } from '../control/fence.ts';
import { lackingSeen } from '../control/lacking.ts';
import { healingOf, setHealing } from '../settings.ts';

/** The control loop as others see it: any master answers, since all of it is in the tables. */
export async function lacking(context: MasterContext, { limit }: { limit: number }) {
  const { lacking, lackingChunks: chunks, lackingBytes: bytes } = await findDeviations(context, limit);
  return { lacking, chunks, bytes };
}

export async function claimRepair({ db }: MasterContext, { holder, forMs }: { holder: string; forMs: number }) {
  return { claim: await claims.claimRepair(db, holder, forMs) };
}

export async function controlState({ db }: MasterContext) {
  const [missed, holder, seen, claim, { workflowBytesMin }] = await Promise.all([
    rows<{ node: string; goneAtMs: number; deadAtMs: number | null }>(
      db,
      sql`
        select id as node, (extract(epoch from gone_at) * 1000)::float8 as "goneAtMs", (extract(epoch from dead_at) * 1000)::float8 as "deadAtMs"
        from pangu.nodes order by id`,
    ),
    controlHolder(db),
    lackingSeen(db),
    claims.repairClaim(db),
    healingOf(db),
  ]);
  return {
    holder,
    missed: missed.map(({ deadAtMs, ...node }) => ({ ...node, ...(deadAtMs === null ? {} : { deadAtMs }) })),
    lacking: seen,
    claim,
    repairWanted: claim === undefined && seen !== undefined && seen.bytes > workflowBytesMin,
  };
}

export function healingSettings({ db }: MasterContext): Promise<Healing> {
  return healingOf(db);
}

export function setHealingSettings({ db }: MasterContext, { settings }: { settings: Partial<Healing> }): Promise<Healing> {
  return setHealing(db, settings);
}
