/** What Alertmanager sends to a webhook (version 4), and the anomaly records that it makes. */
import { z } from 'zod';
import type { Anomaly } from '../contract.ts';

/** What a database can't hold, NUL and halves of characters, becomes the sign for that: one odd text must not cost the others. */
const text = z.string().transform((given) => given.replaceAll('\0', '\ufffd').replaceAll(/\p{Surrogate}/gu, '\ufffd'));
const texts = z.record(text, text);

const alertSchema = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: texts.refine((labels) => !!labels.alertname, 'has no alertname'),
  annotations: texts.default({}),
  startsAt: z.iso.datetime({ offset: true }),
  /** Year 1 while the alert fires and nobody knows its end. */
  endsAt: z.iso.datetime({ offset: true }).optional(),
  fingerprint: text.refine((given) => given !== '', 'is empty'),
});

const webhookSchema = z.object({ version: z.literal('4'), alerts: z.array(alertSchema) });

export type ParsedAlerts = { ok: true; anomalies: Anomaly[] } | { ok: false; problem: string };

export function parseAlerts(body: unknown): ParsedAlerts {
  const parsed = webhookSchema.safeParse(body);
  if (parsed.success) return { ok: true, anomalies: parsed.data.alerts.map(anomalyOf) };
  const problem = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; ');
  return { ok: false, problem: `this is not a webhook of Alertmanager, version 4: ${problem}` };
}

function anomalyOf({ status, labels, annotations, startsAt, endsAt, fingerprint }: z.infer<typeof alertSchema>): Anomaly {
  const alert = labels.alertname!;
  return {
    fingerprint,
    startsAtMs: Date.parse(startsAt),
    ...(status === 'resolved' && endsAt ? { endsAtMs: Date.parse(endsAt) } : {}),
    state: status,
    alert,
    severity: labels.severity ?? 'none',
    ...(labels.node ? { node: labels.node } : {}),
    summary: annotations.summary ?? annotations.description ?? alert,
    labels,
    annotations,
  };
}
