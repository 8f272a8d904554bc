import { type Clock, systemClock } from '../base/clock.ts';
import { createMetrics, tellWhenAsked } from '../base/metrics.ts';
import type { Audit } from './audit.ts';
import { REVOCATION_FRESH_MS } from './contract.ts';
import { ZHONGKUI_METRICS } from './metrics.ts';
import type { RevocationView } from './revocations/view.ts';

const metrics = () => createMetrics(ZHONGKUI_METRICS);

/** Counts what an audit log is told. */
export function countingAudit(audit: Audit): Audit {
  const { admissions, refusals } = metrics();
  return {
    allowed: (caller, method, operation, prefix) => audit.allowed(caller, method, operation, prefix),
    admitted(caller) {
      admissions.inc({ outcome: 'admitted' });
      audit.admitted(caller);
    },
    turnedAway(error) {
      admissions.inc({ outcome: error.code });
      audit.turnedAway(error);
    },
    refused(caller, method, operation, resource, reason) {
      // Only names of services that are here come so far: others are refused before anybody asks who calls.
      const code = caller.key === '' || caller.ended() !== undefined ? 'Unauthenticated' : 'PermissionDenied';
      refusals.inc({ service: method.slice(0, method.lastIndexOf('.')), code });
      audit.refused(caller, method, operation, resource, reason);
    },
  };
}

/** How much is known of revocations, and for how long it may have been too little. @returns how to stop telling. */
export function tellRevocations(view: RevocationView, clock: Pick<Clock, 'monotonicMs'> = systemClock): () => void {
  const { revocations, revocationsAgeSeconds } = metrics();
  const stops = [
    tellWhenAsked(revocations, () => [{ value: view.revocations.size }]),
    tellWhenAsked(revocationsAgeSeconds, () => {
      const confirmedAtMs = view.freshUntilMs - REVOCATION_FRESH_MS;
      // Nuwa's servers are up before they can ask anybody.
      return Number.isFinite(confirmedAtMs) ? [{ value: Math.max(0, clock.monotonicMs() - confirmedAtMs) / 1000 }] : [];
    }),
  ];
  return () => stops.forEach((stop) => void stop());
}

/** Of whom this process is. @returns how to stop telling. */
export function tellToken(
  identity: { readonly grant: { readonly expiresAtMs: number } },
  clock: Pick<Clock, 'nowMs'> = systemClock,
): () => void {
  return tellWhenAsked(metrics().tokenSeconds, () => [{ value: (identity.grant.expiresAtMs - clock.nowMs()) / 1000 }]);
}

/** Of the machine's certificate. @returns how to stop telling. */
export function tellCertificate(
  keeper: { readonly current: { readonly notAfterMs: number } },
  clock: Pick<Clock, 'nowMs'> = systemClock,
): () => void {
  return tellWhenAsked(metrics().certificateSeconds, () => [{ value: (keeper.current.notAfterMs - clock.nowMs()) / 1000 }]);
}
