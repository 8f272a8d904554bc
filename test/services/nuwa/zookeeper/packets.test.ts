import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { Packets } from '../../../../services/nuwa/zookeeper/packets.ts';
import { Malformed } from '../../../../services/nuwa/zookeeper/wire.ts';

const SEED = Number(process.env.FEITIAN_SEED ?? Date.now() % 1_000_000);

function packet(body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(body.length);
  return Buffer.concat([head, body]);
}

describe('packets', () => {
  it(`come out as they were sent, however they were cut on the way (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 200; round++) {
      const bodies = Array.from({ length: random.int(12) }, () => Buffer.alloc(random.int(random.int(3) === 0 ? 400 : 9), random.int(256)));
      const sent = Buffer.concat(bodies.map(packet));
      const packets = new Packets();
      const got: Buffer[] = [];
      for (let at = 0; at < sent.length; ) {
        const end = Math.min(sent.length, at + 1 + random.int(random.int(2) === 0 ? 5 : 300));
        packets.push(sent.subarray(at, end));
        at = end;
        for (let next = packets.next(1_000); next; next = packets.next(1_000)) got.push(next.bytes(next.left));
      }
      expect(got, `seed ${SEED}, round ${round}`).toEqual(bodies);
      expect(packets.begun).toBe(0);
    }
  });

  it('tell how large the one is that is begun, once its length is there', () => {
    const packets = new Packets();
    const bytes = packet(Buffer.alloc(100));
    packets.push(bytes.subarray(0, 3));
    expect(packets.next(1_000)).toBeUndefined();
    expect(packets.begun).toBe(0);
    packets.push(bytes.subarray(3, 50));
    expect(packets.next(1_000)).toBeUndefined();
    expect(packets.begun).toBe(104);
    packets.push(bytes.subarray(50));
    expect(packets.next(1_000)?.left).toBe(100);
    expect(packets.begun).toBe(0);
  });

  it('are refused by their length, before they came', () => {
    for (const length of [-1, 1_001, 2 ** 31 - 1]) {
      const packets = new Packets();
      const head = Buffer.alloc(4);
      head.writeInt32BE(length);
      packets.push(head);
      expect(() => packets.next(1_000)).toThrow(Malformed);
    }
  });
});
