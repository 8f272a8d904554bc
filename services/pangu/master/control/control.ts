import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { isDatabaseAway } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import type { NuwaClient } from '../../../nuwa/contract.ts';
import { Pace } from '../../core/pace.ts';
import type { MasterContext } from '../context.ts';
import { healingMetrics } from '../healing-metrics.ts';
import { healingOf } from '../settings.ts';
import { repairClaim } from './claim.ts';
import type { ControlContext } from './context.ts';
import { findDeviations } from './deviations.ts';
import { ControlLost, takeControl } from './fence.ts';
import { tellLacking } from './lacking.ts';
import { mend } from './mend.ts';
import { watchNodes } from './missed-nodes.ts';
import { type Suspects, sweep } from './sweep.ts';
import { trimChunk } from './trim.ts';

/**
 * The control loop: what must be looked after by one master and not by all. Nuwa elects it (`/pangu/control`), a row fences it (fence.ts). It watches for
 * servers that are missed, makes replicas that are lacking, takes off those that are too many, and compares disks with tables. Everything it knows is in the
 * tables, so another master goes on where it stood; what it decides is decided again under the lock of the chunk when it is done.
 */
export interface ControlOptions {
  /** From one look at which servers are there to the next. @default 1_000 */
  watchMs?: number;
  /** From one look at what is lacking to the next: a writer's loss waits half of it on average. @default 5_000 */
  mendMs?: number;
}

export const CONTROL_PATH = '/pangu/control';

/** Chunks in one look. Their copies take seconds at least, the look one query. */
const BATCH = 2_000;
/** The pause is at least this many times what the look took: on a large cluster it costs a twentieth of one core. */
const PAUSE_SHARE = 19;
const RETRY_MS = 1_000;

/** `connect`: a client of Nuwa for one candidacy. Control is held by its session, and one that has expired holds nothing any more: the next candidacy has its own. */
export function startControl(
  context: MasterContext,
  { name, connect }: { name: string; connect: () => Promise<NuwaClient> },
  { watchMs = 1_000, mendMs = 5_000 }: ControlOptions = {},
): { stop(): Promise<void> } {
  const { log } = context;
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let nuwa: NuwaClient | undefined;
      try {
        nuwa = await connect();
        const leadership = await nuwa.elect(CONTROL_PATH, Buffer.from(name), { signal: stopping.signal });
        const lost = new AbortController();
        const ending = AbortSignal.any([stopping.signal, leadership.lost, lost.signal]);
        const holder = `${name}/${leadership.token}`;
        try {
          await takeControl(context.db, holder);
          healingMetrics.controls.set(1);
          log.info({ holder }, 'control.taken');
          const control: ControlContext = { ...context, holder, ending, healing: () => healingOf(context.db) };
          const duties = dutiesOf(control, { watchMs, mendMs });
          await Promise.all(duties.map((duty) => repeat(control, duty, () => lost.abort())));
        } finally {
          forget();
          log.info({ holder }, 'control.left');
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        log[isDatabaseAway(error) ? 'info' : 'warn']({ error: messageOf(error) }, 'control.failed');
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      } finally {
        // Its session goes with it, and control to whoever is next.
        await nuwa?.close().catch(() => {});
      }
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** What it tells of the cluster is told by the one that controls. */
function forget(): void {
  healingMetrics.controls.set(0);
  healingMetrics.nodesMissed.reset();
  healingMetrics.lackingBytes.reset();
}

interface Duty {
  name: string;
  /** @returns the pause until it is due again. */
  run(): Promise<number>;
}

function dutiesOf(control: ControlContext, { watchMs, mendMs }: Required<ControlOptions>): Duty[] {
  const pace = new Pace(Number.POSITIVE_INFINITY);
  const suspects: Suspects = new Map();
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  return [
    { name: 'watch', run: () => watch(control).then(() => watchMs) },
    {
      name: 'mend',
      run: async () => {
        const { worked, lookMs } = await mendOnce(control, pace);
        return worked ? 0 : Math.max(mendMs, lookMs * PAUSE_SHARE);
      },
    },
    {
      name: 'sweep',
      run: async () => {
        // Looked up again and again, so that another interval counts from when it is set.
        const { sweepMs } = await control.healing();
        if (performance.now() < sweptAtMs + sweepMs) return watchMs;
        await sweepOnce(control, suspects);
        sweptAtMs = performance.now();
        return watchMs;
      },
    },
  ];
}

/** Runs a duty until control ends. Control that was lost to another ends all duties; any other failure is this duty's own, which is tried again. */
async function repeat(control: ControlContext, { name, run }: Duty, lose: () => void): Promise<void> {
  const { ending, log } = control;
  while (!ending.aborted) {
    let pauseMs = RETRY_MS;
    try {
      pauseMs = await run();
    } catch (error) {
      if (error instanceof ControlLost) {
        log.warn({ duty: name, error: error.message }, 'control.lost');
        return lose();
      }
      if (!ending.aborted) log[isDatabaseAway(error) ? 'info' : 'warn']({ duty: name, error: messageOf(error) }, 'control.duty.failed');
    }
    await delay(pauseMs, undefined, { signal: ending }).catch(() => {});
  }
}

async function watch(control: ControlContext): Promise<void> {
  await watchNodes(control);
  const [missed] = (await control.db.execute(
    sql`select count(*) filter (where dead_at is null)::int as away, count(dead_at)::int as dead from pangu.nodes`,
  )) as unknown as { away: number; dead: number }[];
  healingMetrics.nodesMissed.set({ state: 'away' }, missed!.away);
  healingMetrics.nodesMissed.set({ state: 'dead' }, missed!.dead);
}

async function mendOnce(control: ControlContext, pace: Pace): Promise<{ worked: boolean; lookMs: number }> {
  const startedMs = performance.now();
  const { lacking, lackingChunks, lackingBytes, over } = await findDeviations(control, BATCH);
  const lookMs = performance.now() - startedMs;
  healingMetrics.lackingBytes.set(lackingBytes);
  await tellLacking(control.db, { chunks: lackingChunks, bytes: lackingBytes, atMs: Date.now() });
  let trimmed = 0;
  for (const chunk of over) {
    if (control.ending.aborted) break;
    trimmed += await trimChunk(control, chunk);
  }
  healingMetrics.replicasTrimmed.inc(trimmed);
  const claimed = lacking.length > 0 && (await repairClaim(control.db)) !== undefined;
  const { made } = claimed ? { made: 0 } : await mend(control, lacking, pace);
  return { worked: trimmed > 0 || made > 0, lookMs };
}

async function sweepOnce(control: ControlContext, suspects: Suspects): Promise<void> {
  const { ledgerKeepMs } = await control.healing();
  const { orphans, lost } = await sweep(control, suspects);
  healingMetrics.orphansRemoved.inc(orphans);
  if (orphans + lost > 0) control.log.info({ orphans, lost }, 'disks.swept');
  await control.db.execute(sql`delete from pangu.ledger where at < now() - make_interval(secs => ${ledgerKeepMs / 1000})`);
}
