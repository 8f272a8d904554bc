import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Settings } from './board.ts';
import { dayuDashboard } from './dayu.ts';
import { fuxiDashboard } from './fuxi.ts';
import { kuafuDashboard } from './kuafu.ts';
import { nodesDashboard } from './nodes.ts';
import { nuwaDashboard } from './nuwa.ts';
import { overviewDashboard } from './overview.ts';
import { panguDashboard } from './pangu.ts';
import { temporalDashboard } from './temporal.ts';
import { zhongkuiDashboard } from './zhongkui.ts';

/** Every dashboard, in the order in which people look. */
export const DASHBOARDS: readonly ((settings: Settings) => Dashboard)[] = [
  overviewDashboard,
  nodesDashboard,
  panguDashboard,
  fuxiDashboard,
  nuwaDashboard,
  kuafuDashboard,
  zhongkuiDashboard,
  dayuDashboard,
  temporalDashboard,
];
