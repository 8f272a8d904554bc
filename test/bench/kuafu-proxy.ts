import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createKuafuClient } from '../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer, ServiceClient } from '../../services/kuafu/contract.ts';
import { serve } from '../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from '../services/kuafu/echo.ts';
import { Machines } from '../services/kuafu/proxy/machines.ts';
import { streamerService } from '../services/kuafu/streamer.ts';
import type { BenchOptions, Row } from './main.ts';

/**
 * What the proxies of machines save and what they cost: connections in a cluster where everybody calls everybody, and calls beside direct ones, in turns, with caller,
 * server and the two proxies in a process each. All of it on one machine, so the two proxies take their time from the same processors as the caller and the server.
 */
const MACHINES = 4;
const PROCESSES = 5;
const TEXT = 'x'.repeat(100);
const MIB = 1024 * 1024;

export async function run({ quick, say, rounds = quick ? 2 : 5 }: BenchOptions): Promise<Row[]> {
  const machines = await new Machines(MACHINES).start();
  try {
    return [await countConnections(machines, say), ...(await compare(machines, quick ? 500 : 2_000, rounds, say))];
  } finally {
    machines.close();
  }
}

/** Each process is a server and a client of its own, as far as connections go. */
async function countConnections(machines: Machines, say: (line: string) => void): Promise<Row> {
  say(`${MACHINES} machines with ${PROCESSES} processes each …`);
  const servers: KuafuServer[] = [];
  const clients: KuafuClient[] = [];
  const places = machines.all.flatMap((machine) => Array.from({ length: PROCESSES }, () => machine));
  try {
    for (const machine of places) {
      const implementations = [new EchoHandlers().implementation()];
      servers.push(await serve({ guard: 'none', address: `tcp://${machine.host}:0`, implementations }));
      clients.push(createKuafuClient({ proxy: machine.proxy }));
    }
    for (const [i, client] of clients.entries())
      await Promise.all(
        servers.filter((_, j) => places[i] !== places[j]).map(({ address }) => client.service(echoService, address).who({})),
      );
    const counts = await Promise.all(machines.all.map((machine) => machine.count()));
    const sum = (of: (count: (typeof counts)[number]) => number): number => counts.reduce((total, count) => total + of(count), 0);
    return {
      what: `connections of ${MACHINES} machines with ${PROCESSES} processes each`,
      figures: {
        'between machines': sum(({ clientConnections }) => clientConnections),
        'without proxies': places.length * (MACHINES - 1) * PROCESSES,
        'channels between machines': sum(({ channels }) => channels) / 2,
      },
    };
  } finally {
    for (const client of clients) await client.close();
    for (const server of servers) await server.close({ graceMs: 0 });
  }
}

async function compare(machines: Machines, forMs: number, rounds: number, say: (line: string) => void): Promise<Row[]> {
  const [here, there] = machines.all;
  const child: ChildProcess = fork(new URL('kuafu-proxy-server.ts', import.meta.url), [`tcp://${there!.host}:0`], {
    execArgv: ['--import', 'tsx'],
  });
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  const ways = { direct: createKuafuClient({ proxy: 'none' }), 'through two proxies': createKuafuClient({ proxy: here!.proxy }) };
  const rows: Row[] = [];
  try {
    const cases: [string, string, (client: KuafuClient) => Promise<number>][] = [
      ...[1, 64, 512].map((inFlight): (typeof cases)[number] => [
        `100-byte calls, ${inFlight} in flight`,
        'calls/s',
        (client) => callsPerSecond(client.service(echoService, address), inFlight, forMs),
      ]),
      ['1 MiB messages to the server', 'MiB/s', (client) => mibPerSecond(client, address, forMs)],
    ];
    for (const [what, unit, measure] of cases) {
      const figures: Record<string, number> = {};
      const all: Record<string, number[]> = {};
      for (let round = 0; round <= rounds; round++)
        for (const [way, client] of Object.entries(ways)) {
          const value = await measure(client);
          if (round > 0) (all[way] ??= []).push(value); // the first warms up
        }
      for (const [way, values] of Object.entries(all)) figures[`${way}, ${unit}`] = medianOf(values);
      figures['of direct, %'] = (100 * medianOf(all['through two proxies']!)) / medianOf(all.direct!);
      if (what.includes(' 1 in')) for (const [way, values] of Object.entries(all)) figures[`${way}, µs a call`] = 1e6 / medianOf(values);
      rows.push({ what, figures });
      say(`${what}: ${JSON.stringify(figures)}`);
    }
    return rows;
  } finally {
    for (const client of Object.values(ways)) await client.close();
    child.kill('SIGKILL');
  }
}

async function callsPerSecond(echo: ServiceClient<typeof echoService>, inFlight: number, forMs: number): Promise<number> {
  const startedMs = performance.now();
  let calls = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startedMs < forMs) {
      await echo.echo({ text: TEXT });
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return (calls * 1_000) / (performance.now() - startedMs);
}

async function mibPerSecond(client: KuafuClient, address: string, forMs: number): Promise<number> {
  const piece = Buffer.alloc(MIB);
  const startedMs = performance.now();
  const call = client.service(streamerService, address).sum({});
  let sent = 0;
  for (; performance.now() - startedMs < forMs; sent++) await call.send({ i: 1 }, piece);
  call.end();
  await call.reply;
  return (sent * 1_000) / (performance.now() - startedMs);
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
