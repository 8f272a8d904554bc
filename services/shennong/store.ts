import { sql } from 'drizzle-orm';
import { type Database, rows } from '../base/database.ts';
import type { Anomaly } from './contract.ts';

export interface AnomalyStore {
  /** @returns the records that are new or changed by this; one that is resolved stays as it is. */
  record(anomalies: readonly Anomaly[]): Promise<Anomaly[]>;
  /** The newest first. */
  newest(limit: number): Promise<Anomaly[]>;
  /** Forgets what was resolved before that long. @returns how many. */
  forget(olderThanMs: number): Promise<number>;
}

export function createAnomalyStore(db: Database): AnomalyStore {
  return {
    async record(anomalies) {
      if (anomalies.length === 0) return [];
      await endEarlier(db, anomalies);
      // Postgres refuses to touch a row twice in one statement; of the same firing told twice the last word counts.
      const distinct = new Map(anomalies.map((anomaly) => [`${anomaly.fingerprint} ${anomaly.startsAtMs}`, anomaly]));
      const changed = await rows<{ fingerprint: string; startsAtMs: number }>(
        db,
        sql`
          insert into shennong.anomalies as a (fingerprint, starts_at, ends_at, state, alert, severity, node, summary, labels, annotations)
          select fingerprint, to_timestamp("startsAtMs" / 1000.0), case state when 'resolved' then coalesce(to_timestamp("endsAtMs" / 1000.0), now()) end,
            state, alert, severity, node, summary, labels, annotations
          from jsonb_to_recordset(${JSON.stringify([...distinct.values()])}::jsonb) as w (fingerprint text, "startsAtMs" float8, "endsAtMs" float8,
            state text, alert text, severity text, node text, summary text, labels jsonb, annotations jsonb)
          on conflict (fingerprint, starts_at) do update
          set state = excluded.state, ends_at = excluded.ends_at, summary = excluded.summary, annotations = excluded.annotations, updated_at = now()
          where a.state = 'firing' and (a.state, a.summary, a.annotations) is distinct from (excluded.state, excluded.summary, excluded.annotations)
          returning a.fingerprint, (extract(epoch from a.starts_at) * 1000)::float8 as "startsAtMs"`,
      );
      return changed.flatMap(({ fingerprint, startsAtMs }) => distinct.get(`${fingerprint} ${Math.round(startsAtMs)}`) ?? []);
    },

    async newest(limit) {
      const found = await rows<{ [Key in keyof Anomaly]: Anomaly[Key] | null }>(
        db,
        sql`
          select fingerprint, (extract(epoch from starts_at) * 1000)::float8 as "startsAtMs", (extract(epoch from ends_at) * 1000)::float8 as "endsAtMs",
            state, alert, severity, node, summary, labels, annotations
          from shennong.anomalies order by starts_at desc, fingerprint limit ${limit}`,
      );
      return found.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as Anomaly);
    },

    async forget(olderThanMs) {
      const gone = await rows(
        db,
        sql`delete from shennong.anomalies where state = 'resolved' and ends_at < now() - make_interval(secs => ${olderThanMs / 1000}) returning 1`,
      );
      return gone.length;
    },
  };
}

/** An alert that fires anew has ended before, whether or not anybody was there to say so: a firing whose end was lost does not stay one for ever. */
async function endEarlier(db: Database, anomalies: readonly Anomaly[]): Promise<void> {
  const told = anomalies.map(({ fingerprint, startsAtMs }) => ({ fingerprint, startsAtMs }));
  await db.execute(sql`
    update shennong.anomalies a set state = 'resolved', ends_at = to_timestamp(w."startsAtMs" / 1000.0), updated_at = now()
    from jsonb_to_recordset(${JSON.stringify(told)}::jsonb) as w (fingerprint text, "startsAtMs" float8)
    where a.fingerprint = w.fingerprint and a.state = 'firing' and a.starts_at < to_timestamp(w."startsAtMs" / 1000.0)`);
}
