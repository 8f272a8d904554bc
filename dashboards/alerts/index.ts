import type { AlertGroup } from './alert.ts';
import { dayuAlerts } from './dayu.ts';
import { fuxiAlerts } from './fuxi.ts';
import { nodeAlerts } from './nodes.ts';
import { nuwaAlerts } from './nuwa.ts';
import { panguAlerts } from './pangu.ts';
import { zhongkuiAlerts } from './zhongkui.ts';

/** Every alert, a group for each subsystem. */
export const ALERT_GROUPS: readonly AlertGroup[] = [nodeAlerts, panguAlerts, fuxiAlerts, nuwaAlerts, zhongkuiAlerts, dayuAlerts];
