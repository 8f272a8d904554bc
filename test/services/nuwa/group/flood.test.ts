import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { OPS, XIDS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import { Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import { Harness } from '../harness.ts';
import { figure, ZkClient } from '../zookeeper/zk-client.ts';
import { ProcessGroup } from './process-group.ts';

/**
 * Clients that each ask for as much as they may at once, and read nothing of it. All of it is legal and small: done in one turn of the leader's event loop it
 * would take longer than its followers wait for a word of it.
 */
const FLOODERS = 40;
const MIB = 1_048_576;
/** On a machine that does nothing else it is a tenth of this. */
const ANSWER_MS_MAX = 3_000;

let harness: Harness;
beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

interface Flood {
  what: string;
  requests: number;
  request: (writer: Writer, xid: number) => void;
  over: (door: string) => Promise<boolean>;
}

/** The last one is never over: what it asked for lies there unread. */
const FLOODS: readonly Flood[] = [
  { what: 'reads of a small value', requests: 4_000, request: getData('/small'), over: allAnswered },
  { what: 'changes', requests: 1_000, request: setData('/small'), over: allAnswered },
  {
    what: 'reads of a value of 1 MiB',
    requests: 400,
    request: getData('/large'),
    over: async (door) => (await figure(door, 'zk_unread_answer_bytes')) > FLOODERS * 2 * MIB,
  },
];

describe('a flood of requests at the leader costs it neither its office nor its other clients', { timeout: 60_000 }, () => {
  it(FLOODS.map(({ what }) => what).join('; '), async () => {
    // One group for all of them, one after the other: to start three servers costs more than to flood them.
    const group = await ProcessGroup.start(harness, 3);
    const leader = await group.leader();
    const { term } = (await group.status(leader))!;
    const door = await group.zookeeper(leader);
    const connect = async (): Promise<ZkClient> => {
      const zk = new ZkClient(door);
      harness.onClose(() => zk.end());
      expect(await zk.connect({ timeoutMs: 60_000 })).toBe(true);
      return zk;
    };
    const other = await connect();
    await other.create('/small', 'value');
    await other.create('/large', 'x'.repeat(MIB));
    for (const { what, requests, request, over } of FLOODS) {
      const flooders = await Promise.all(Array.from({ length: FLOODERS }, connect));
      const burst = packets(requests, request);
      const before = await figure(door, 'zk_packets_received');
      for (const zk of flooders) {
        zk.pause();
        zk.raw(burst);
      }

      let slowestMs = 0;
      do {
        const startMs = systemClock.monotonicMs();
        await other.request(OPS.ping, undefined, XIDS.ping);
        slowestMs = Math.max(slowestMs, systemClock.monotonicMs() - startMs);
      } while ((await figure(door, 'zk_packets_received')) - before < FLOODERS * 10 || !(await over(door)));
      console.log(`${what}: the slowest answer to the other client: ${Math.round(slowestMs)} ms`);
      expect(slowestMs, what).toBeLessThan(ANSWER_MS_MAX);
      for (const id of group.ids) expect(await group.rpc(id).status({}), what).toMatchObject({ leader, term });
      expect((await other.get('/small')).error).toBe(0);
      for (const zk of flooders) zk.end();
    }
  });
});

async function allAnswered(door: string): Promise<boolean> {
  return (await figure(door, 'zk_outstanding_requests')) === 0 && (await figure(door, 'zk_held_request_bytes')) === 0;
}

function packets(count: number, request: (writer: Writer, xid: number) => void): Buffer {
  const writer = new Writer();
  for (let xid = 1; xid <= count; xid++) {
    writer.begin();
    request(writer, xid);
    writer.end();
  }
  return Buffer.concat(writer.take());
}

function getData(path: string) {
  return (writer: Writer, xid: number): void => {
    writer.int(xid);
    writer.int(OPS.getData);
    writer.string(path);
    writer.bool(false);
  };
}

function setData(path: string) {
  return (writer: Writer, xid: number): void => {
    writer.int(xid);
    writer.int(OPS.setData);
    writer.string(path);
    writer.buffer(Buffer.from('another'));
    writer.int(-1);
  };
}
