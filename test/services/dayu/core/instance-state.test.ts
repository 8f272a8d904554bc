import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INSTANCE_STATES } from '../../../../services/dayu/contract.ts';
import { type InstanceEvent, type InstanceHealth, STARTING, stepInstance } from '../../../../services/dayu/core/instance-state.ts';

const well: InstanceEvent = { kind: 'well' };
const ill: InstanceEvent = { kind: 'ill', why: 'no answer' };
const ended: InstanceEvent = { kind: 'ended', how: 'exit code 1' };
const started: InstanceEvent = { kind: 'started' };
const stop: InstanceEvent = { kind: 'stop' };
const stateAfter = (...events: InstanceEvent[]): InstanceHealth => events.reduce((now, event) => stepInstance(now, event, 2), STARTING);

describe('an instance', () => {
  test.each<[string, InstanceEvent[], Partial<InstanceHealth>]>([
    ['starts', [], { state: 'starting', failures: 0 }],
    ['stays starting while its checks fail, however many', [ill, ill, ill], { state: 'starting', failures: 3, message: 'no answer' }],
    ['is healthy after one check that passes', [ill, well], { state: 'healthy', failures: 0 }],
    ['stays healthy while fewer checks fail in a row than it may', [well, ill, well, ill], { state: 'healthy', failures: 1 }],
    ['is unhealthy after so many', [well, ill, ill], { state: 'unhealthy', message: 'no answer' }],
    ['is healthy again when it is well again', [well, ill, ill, well], { state: 'healthy', failures: 0 }],
    ['has failed when it ended', [well, ended], { state: 'failed', message: 'exit code 1' }],
    ['starts anew after that', [well, ended, started], { state: 'starting', failures: 0 }],
    ['stops from any state', [well, ended, stop], { state: 'stopping' }],
  ])('%s', (_, events, expected) => {
    expect(stateAfter(...events)).toMatchObject(expected);
  });

  test.each<[string, InstanceEvent[]]>([
    ['that runs is not started', [well, started]],
    ['that failed is not checked', [ended, well]],
    ['that failed does not end again', [ended, ended]],
    ['that stops does not start again', [stop, started]],
    ['that stops is not checked', [stop, ill]],
    ['that stops does not end by itself', [stop, ended]],
  ])('%s', (_, events) => {
    expect(() => stateAfter(...events)).toThrow('invariant broken');
  });

  test('has a message just when something is wrong, and only the states that there are', () => {
    const events = fc.array(fc.constantFrom(well, ill, ended, started, stop), { maxLength: 30 });
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 5 }), (sequence, failuresMax) => {
        let now = STARTING;
        for (const event of sequence) {
          try {
            now = stepInstance(now, event, failuresMax);
          } catch {
            continue; // an illegal move changes nothing
          }
          expect(INSTANCE_STATES).toContain(now.state);
          expect(now.message !== undefined).toBe(now.state === 'failed' || now.failures > 0);
          if (now.state === 'healthy') expect(now.failures).toBeLessThan(failuresMax);
        }
      }),
    );
  });
});
