import { DAYU_AGENT_METRICS, DAYU_MASTER_METRICS, ROLLOUT_METRICS } from '../../services/dayu/metrics.ts';
import { FUXI_MASTER_METRICS, JOB_METRICS, TUBO_METRICS } from '../../services/fuxi/metrics.ts';
import { KUAFU_METRICS } from '../../services/kuafu/metrics.ts';
import { NUWA_METRICS } from '../../services/nuwa/metrics.ts';
import { PANGU_CHUNK_METRICS, PANGU_HEALING_METRICS, PANGU_MASTER_METRICS, PANGU_SCRUB_METRICS } from '../../services/pangu/metrics.ts';
import { NODE_METRICS, SHENNONG_METRICS } from '../../services/shennong/metrics.ts';
import { ZHONGKUI_METRICS } from '../../services/zhongkui/metrics.ts';

const ALL = [
  DAYU_AGENT_METRICS,
  DAYU_MASTER_METRICS,
  ROLLOUT_METRICS,
  FUXI_MASTER_METRICS,
  JOB_METRICS,
  TUBO_METRICS,
  KUAFU_METRICS,
  NUWA_METRICS,
  PANGU_CHUNK_METRICS,
  PANGU_MASTER_METRICS,
  PANGU_HEALING_METRICS,
  PANGU_SCRUB_METRICS,
  NODE_METRICS,
  SHENNONG_METRICS,
  ZHONGKUI_METRICS,
];

/** Every name that a room's metrics.ts declares. */
export function declaredNames(): Set<string> {
  return new Set(ALL.flatMap((metrics) => Object.values(metrics).map(({ name }) => name as string)));
}

/** The names of Feitian's metrics in a text of PromQL, without what a histogram puts behind them. */
export function feitianNames(expression: string): string[] {
  return [...expression.matchAll(/\bfeitian_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));
}
