import { createMetrics, type Sample, tellWhenAsked } from '../base/metrics.ts';
import { SECONDS } from '../base/seconds.ts';
import { type CallMeter, meters, totals } from './meter.ts';
import { KUAFU_METRICS } from './metrics.ts';

/** Makes what meter.ts counts a part of this process's metrics. */
export function tellKuafu(): void {
  const metrics = createMetrics(KUAFU_METRICS);
  tellWhenAsked(metrics.calls, () => meters.flatMap(callsOf));
  tellWhenAsked(metrics.refused, () => meters.flatMap(refusedOf));
  tellWhenAsked(metrics.callSeconds, () => meters.flatMap(secondsOf));
  tellWhenAsked(metrics.callsInFlight, () => [{ value: totals.callsInFlight }]);
  tellWhenAsked(metrics.connections, () => [
    { labels: { side: 'client' }, value: totals.clientConnections },
    { labels: { side: 'server' }, value: totals.serverConnections },
  ]);
  tellWhenAsked(metrics.bytes, () => [
    { labels: { direction: 'in' }, value: totals.bytesIn },
    { labels: { direction: 'out' }, value: totals.bytesOut },
  ]);
  tellWhenAsked(metrics.methodBytes, () => meters.flatMap((meter) => bothWays(meter, meter.bytesIn, meter.bytesOut)));
  tellWhenAsked(metrics.streamMessages, () => meters.flatMap((meter) => bothWays(meter, meter.messagesIn, meter.messagesOut)));
  tellWhenAsked(metrics.unreadBytes, () => [{ value: totals.unreadBytes }]);
  tellWhenAsked(metrics.creditWaiting, () => waited().map((meter) => one(meter, meter.creditWaiting)));
  tellWhenAsked(metrics.creditWaits, () => waited().map((meter) => one(meter, meter.creditWaits)));
  tellWhenAsked(metrics.breakersOpened, () => [{ value: totals.breakersOpened }]);
  tellWhenAsked(metrics.hedges, () => [
    { labels: { outcome: 'won' }, value: totals.hedgesWon },
    { labels: { outcome: 'lost' }, value: totals.hedgesLost },
    { labels: { outcome: 'withheld' }, value: totals.hedgesWithheld },
  ]);
  tellWhenAsked(metrics.creditWaitSeconds, () => waited().map((meter) => one(meter, meter.creditWaitedMs / 1000)));
}

const waited = (): CallMeter[] => meters.filter(({ creditWaiting, creditWaits }) => creditWaiting > 0 || creditWaits > 0);

function one({ side, service, method }: CallMeter, value: number): Sample<'side' | 'service' | 'method'> {
  return { labels: { side, service, method }, value };
}

function bothWays(
  { side, service, method }: CallMeter,
  valueIn: number,
  valueOut: number,
): Sample<'side' | 'service' | 'method' | 'direction'>[] {
  const ways: [string, number][] = [
    ['in', valueIn],
    ['out', valueOut],
  ];
  return ways.filter(([, value]) => value > 0).map(([direction, value]) => ({ labels: { side, service, method, direction }, value }));
}

function callsOf({ side, service, method, ok, failures }: CallMeter): Sample<'side' | 'service' | 'method' | 'code'>[] {
  const outcomes: [string, number][] = [['OK', ok], ...failures];
  return outcomes.filter(([, value]) => value > 0).map(([code, value]) => ({ labels: { side, service, method, code }, value }));
}

function refusedOf({ service, method, refusals }: CallMeter): Sample<'service' | 'method' | 'code'>[] {
  return [...refusals].map(([code, value]) => ({ labels: { service, method, code }, value }));
}

/** A histogram as Prometheus wants it: each bucket holds all that those below it hold. */
function secondsOf({ side, service, method, buckets, sumMs }: CallMeter): Sample<'side' | 'service' | 'method'>[] {
  const labels = { side, service, method };
  const samples: Sample[] = [];
  let count = 0;
  for (const [at, inBucket] of buckets.entries()) {
    count += inBucket;
    samples.push({ suffix: '_bucket', labels: { ...labels, le: SECONDS[at] ?? '+Inf' }, value: count });
  }
  if (count === 0) return [];
  return [...samples, { suffix: '_sum', labels, value: sumMs / 1000 }, { suffix: '_count', labels, value: count }];
}
