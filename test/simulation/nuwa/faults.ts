import type { Random } from '../../../services/base/random.ts';
import type { RaftTiming } from '../../../services/nuwa/core/raft/types.ts';
import { FAIR, type Weather } from './network.ts';

/** How a schedule goes wrong. Drawn anew for each seed: a schedule of everything at once hides faults that need much of one and nothing of another. */
export interface FaultPlan {
  servers: number;
  weather: Weather;
  /** Means, in milliseconds, between two of a kind; 0: none. */
  crashEveryMs: number;
  /** Elections in which two rivals need one vote, and the voter dies. */
  rivalryEveryMs: number;
  pauseEveryMs: number;
  partitionEveryMs: number;
  compactEveryMs: number;
  transferEveryMs: number;
  brokenDiskEveryMs: number;
  clientDeathEveryMs: number;
  /** Servers come and go. */
  changeEveryMs: number;
  /** Changes of the group meet one another, and changes of leaders (races.ts). */
  raceEveryMs: number;
  /** A sync takes up to this long. */
  syncMsMax: number;
  clockDrift: number;
  /** Of the partitions: this share cuts off the leader, with some of the clients, and slows its clock, so that it does not notice how long it has been alone. */
  lonelyLeaders: number;
  /** This share of deaths is followed by another within moments. */
  secondDeaths: number;
  /** How long a dead server stays away at most. */
  awayMsMax: number;
  wallJumps: boolean;
  timing: RaftTiming;
  /** Reads by lease: then clocks run at nearly the same rate. */
  lease: boolean;
  /** Events kept for watchers. */
  ringEvents: number;
  /** Of entries kept behind a compaction, in bytes. */
  keptBytesMax: number;
  inflightMax: number;
  appendBytesMax: number;
}

export function drawFaults(random: Random): FaultPlan {
  const maybe = (meanMs: number, share = 0.5): number => (random.next() < share ? meanMs * (0.4 + random.next()) : 0);
  const servers = [1, 3, 3, 3, 3, 5][random.int(6)]!;
  const weather: Weather =
    random.int(4) === 0
      ? FAIR
      : { dropped: random.next() * 0.12, doubled: random.next() * 0.1, late: random.next() * 0.15, lateMs: 50 + random.next() * 500 };
  const plan: FaultPlan = {
    servers,
    weather,
    crashEveryMs: maybe(500, 0.6),
    rivalryEveryMs: 0,
    pauseEveryMs: maybe(700, 0.4),
    partitionEveryMs: maybe(600, 0.6),
    compactEveryMs: maybe(400, 0.5),
    transferEveryMs: maybe(800, 0.3),
    brokenDiskEveryMs: maybe(2_000, 0.15),
    clientDeathEveryMs: maybe(1_500, 0.4),
    changeEveryMs: servers > 1 ? maybe(500, 0.25) : 0,
    raceEveryMs: 0,
    syncMsMax: [1, 5, 40][random.int(3)]!,
    clockDrift: random.int(2) === 0 ? 0 : 0.15,
    lonelyLeaders: 0.3,
    secondDeaths: 0.2,
    awayMsMax: 600,
    wallJumps: random.int(4) === 0,
    timing: { electionTicks: 6 + random.int(10), heartbeatTicks: 2 },
    lease: random.int(4) === 0,
    ringEvents: random.int(8) === 0 ? 20 : 10_000,
    keptBytesMax: random.int(2) === 0 ? 0 : 1_000,
    inflightMax: 1 + random.int(8),
    appendBytesMax: 100 + random.int(2_000),
  };
  const profile = random.int(6);
  if (profile === 0) return { ...plan, ...LONELY_LEADERS, partitionEveryMs: 300 + random.next() * 500 };
  if (profile === 1) return { ...plan, ...QUICK_DEATHS, crashEveryMs: 150 + random.next() * 200, rivalryEveryMs: random.int(2) * 400 };
  if (profile === 2) return { ...plan, ...RACES, servers: 3 + random.int(3), raceEveryMs: 700 + random.next() * 500 };
  return plan;
}

/** Much of one thing: changes of the group in each other's way; leaders that are alone and do not know it; servers that die and come back within a few syncs of a slow disk. */
const RACES = { crashEveryMs: 0, pauseEveryMs: 0, partitionEveryMs: 0, transferEveryMs: 0, changeEveryMs: 250, lease: false };
const LONELY_LEADERS = { servers: 3, crashEveryMs: 0, pauseEveryMs: 0, changeEveryMs: 0, lonelyLeaders: 1 };
const QUICK_DEATHS = {
  servers: 3,
  pauseEveryMs: 0,
  changeEveryMs: 0,
  syncMsMax: 40,
  awayMsMax: 60,
  timing: { electionTicks: 4, heartbeatTicks: 1 },
};
