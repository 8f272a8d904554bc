import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { DoorFlow, type FlowBounds } from '../../../../services/nuwa/zookeeper/flow.ts';
import { Intake } from '../../../../services/nuwa/zookeeper/intake.ts';
import { type Slot, Turns } from '../../../../services/nuwa/zookeeper/turns.ts';

const KIB = 1024;

/** A connection as far as what comes in goes. */
class Client {
  readonly turns = new Turns();
  readonly intake: Intake;
  #paused = false;

  constructor(flow: DoorFlow) {
    const socket = {
      isPaused: () => this.#paused,
      pause: () => {
        this.#paused = true;
      },
      resume: () => {
        this.#paused = false;
      },
    };
    this.intake = new Intake(socket as unknown as Socket, flow, this.turns);
  }

  get waits(): boolean {
    return this.intake.waits;
  }

  asks(bytes: number): Slot {
    const slot = this.turns.wait({ isRead: false, bytes, atMs: 0 });
    this.intake.maybeWait();
    return slot;
  }

  /** Sends the length of a request and some of it. */
  begins(bytes: number): void {
    const piece = Buffer.alloc(100);
    piece.writeInt32BE(bytes, 0);
    this.intake.push(piece, 0);
    this.intake.next(1_024 * KIB, 0);
    this.intake.maybeWait();
  }

  answers(slot: Slot): void {
    slot.ready = true;
    this.turns.answerReady();
    this.intake.answered();
  }
}

function clients(count: number, bounds: Partial<FlowBounds>): { flow: DoorFlow; all: Client[] } {
  const flow = new DoorFlow(bounds);
  return { flow, all: Array.from({ length: count }, () => new Client(flow)) };
}

describe('a connection', () => {
  it('is not read from past its own bound, and again once it is answered', () => {
    const { flow, all } = clients(1, { heldBytesMax: 1_000 });
    const [a] = all as [Client];
    const first = a.asks(600);
    expect(a.waits).toBe(false);
    a.asks(600);
    expect(a.waits).toBe(true);
    a.answers(first);
    expect(a.waits).toBe(false);
    expect(flow.heldBytes).toBe(600);
  });

  it('waits for room by turns, and who waits for its own answers is in nobody’s way', () => {
    const { flow, all } = clients(4, { heldBytesMax: 1_000, heldBytesAllMax: 300 * KIB });
    const [a, b, c, d] = all as [Client, Client, Client, Client];
    a.asks(2_000);
    b.begins(200 * KIB);
    c.begins(150 * KIB);
    d.begins(90 * KIB);
    // There was none for `c` beside `b`; what `d` needs is there.
    expect([a, b, c, d].map((each) => each.waits)).toEqual([true, false, true, false]);
    b.intake.end();
    expect([a, c, d].map((each) => each.waits)).toEqual([true, false, false]);
    expect(flow.heldBytes).toBe(2_000 + 150 * KIB + 4 + 90 * KIB + 4);
    for (const each of all) {
      each.turns.end();
      each.intake.end();
    }
    expect(flow.heldBytes).toBe(0);
  });

  it('goes on with a request that it was given room for, however full it is, and only so long', () => {
    const { flow, all } = clients(2, { heldBytesMax: 1_000 * KIB, heldBytesAllMax: 300 * KIB, requestMsMax: 1_000 });
    const [a, b] = all as [Client, Client];
    a.begins(200 * KIB);
    b.asks(200 * KIB);
    expect(flow.full).toBe(true);
    expect([a.waits, b.waits]).toEqual([false, true]);
    a.intake.maybeWait();
    expect(a.waits).toBe(false);
    expect([a.intake.overdue(1_000), a.intake.overdue(1_001), b.intake.overdue(1_001)]).toEqual([false, true, false]);
    a.intake.end();
    expect(b.waits).toBe(false);
  });
});
