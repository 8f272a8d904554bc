import { ZHONGKUI_METRICS } from '../../services/zhongkui/metrics.ts';
import { series } from '../promql.ts';
import type { AlertGroup } from './alert.ts';

/** The bound of Zhongkui (REVOCATION_FRESH_MS): from then on nobody is let in. */
const REVOCATIONS_AGE_SECONDS_MAX = 30;
/** Whoever renews tokens does it at half of their life, which is many days: at this point it has failed for long. */
const TOKEN_SECONDS_MIN = 2 * 86_400;
/** A certificate lives a day and is renewed when a third of that is left. */
const CERTIFICATE_SECONDS_MIN = 4 * 3_600;

export const zhongkuiAlerts: AlertGroup = {
  name: 'feitian-zhongkui',
  alerts: [
    {
      name: 'RevocationsStale',
      expression: `${series(ZHONGKUI_METRICS.revocationsAgeSeconds)} > ${REVOCATIONS_AGE_SECONDS_MAX}`,
      // An election of Nuwa is through by then.
      for: '15s',
      severity: 'critical',
      summary: '{{ $labels.role }} at {{ $labels.instance }} has not heard of revocations for {{ $value }} s',
      description:
        "It cannot know whose key was revoked, so it lets nobody in and refuses those within, until Nuwa answers it. Nuwa's own servers go on.",
    },
    {
      name: 'TokenExpiring',
      expression: `${series(ZHONGKUI_METRICS.tokenSeconds)} < ${TOKEN_SECONDS_MIN}`,
      for: '1m',
      severity: 'warning',
      summary: 'The token of {{ $labels.role }} at {{ $labels.instance }} ends soon',
      description:
        'Its token should have been replaced long ago. When it ends the process is refused everywhere, and its registration and locks go.',
    },
    {
      name: 'CertificateExpiring',
      expression: `${series(ZHONGKUI_METRICS.certificateSeconds)} < ${CERTIFICATE_SECONDS_MIN}`,
      for: '1m',
      severity: 'warning',
      summary: 'The certificate of the machine of {{ $labels.role }} at {{ $labels.instance }} ends soon',
      description:
        'Renewing it has failed for hours. When it ends nobody can connect to the machine, nor it to anybody; connections that are open go on.',
    },
  ],
};
