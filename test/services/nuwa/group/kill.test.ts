import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MEMBER_TIMING, TICK_MS } from '../../../../services/nuwa/core/member/member.ts';
import { Harness } from '../harness.ts';
import { killRun, tell } from './kill-run.ts';
import { ProcessGroup } from './process-group.ts';

const SEED = Number(process.env.FEITIAN_SEED ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env.FEITIAN_KILL_SECONDS ?? 8);
const ELECTION_MS = MEMBER_TIMING.electionTicks * TICK_MS;

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

describe(`three servers of which one after the other is killed or stopped under load (seed ${SEED})`, {
  timeout: SECONDS * 1_000 + 90_000,
}, () => {
  it('lose nothing that was acknowledged, read nothing old, keep their sessions, and serve again within two election timeouts', async () => {
    const group = await ProcessGroup.start(harness, 3);
    const report = await killRun(group, { seconds: SECONDS, faultsMin: 2, seed: SEED });
    console.log(`seed ${SEED}: ${tell(report)}`);
    expect(report.problems).toEqual([]);
    // How many there are in this time is the machine's affair.
    expect(report.acknowledged).toBeGreaterThan(20);
    for (const { ownMs } of report.faults) expect(ownMs).toBeLessThan(2 * ELECTION_MS);
  });
});
