import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderTable } from '../../infra/cli/ui/table.ts';
import type { BenchOptions, Row } from './main.ts';
import { syncsPerSecond } from './nuwa/disk.ts';
import { goLoad } from './nuwa/go-client.ts';
import { growth } from './nuwa/growth.ts';
import { Latencies } from './nuwa/latencies.ts';
import { NuwaGroup } from './nuwa/nuwa-group.ts';
import { type OwnShare, ownLoad, shared } from './nuwa/own-load.ts';
import { openPeers, type PeerGroup, type Peers } from './nuwa/peers.ts';
import { withServerCost } from './nuwa/processes.ts';
import { type Case, type Contender, inRounds, type Line, linesOf, type Measured } from './nuwa/rounds.ts';

/**
 * Nuwa beside etcd and ZooKeeper: three servers each, on one disk, synced, the same values and as many clients, in turns. The peers' load generator
 * (Go) drives all three, Nuwa through its ZooKeeper door; our own client is measured beside it.
 *
 * Reads are linearizable ones: etcd's `get`; ZooKeeper's `sync` and `get`; at Nuwa's door a `get` is linearizable by itself, and what ZooKeeper's clients
 * do for it, `sync` and `get`, is measured too.
 */
const PEERS = fileURLToPath(new URL('../../../shared/peers', import.meta.url));
const VALUE_BYTES = 256;
const CLIENTS = [1, 64, 1_000];
const WATCHERS = 1_000;
const WRITERS = 4;
const WATCH_SESSIONS = 32;
/** More would only take turns on the same processors, with the servers. */
const OWN_PROCESSES = 2;
const OWN_SESSIONS = 4;

export const SECTIONS = ['writes', 'reads', 'watch', 'growth'] as const;
type Section = (typeof SECTIONS)[number];

export async function run({ quick, say, rounds = quick ? 1 : 3, peers: peersDir = PEERS, only }: BenchOptions): Promise<Row[]> {
  const wanted = (only?.split(',') ?? SECTIONS) as Section[];
  const seconds = quick ? 1.5 : 4;
  const dir = await mkdtemp(join(tmpdir(), 'feitian-bench-nuwa-'));
  const rows: Row[] = [];
  const ending: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    const disk = (): number => syncsPerSecond(dir, VALUE_BYTES, 1);
    rows.push({ what: 'the disk', figures: { 'appends of 256 bytes per second, each synced, before': disk() } });
    const compared = wanted.filter((section) => section !== 'growth');
    if (compared.length > 0) {
      say('three Nuwa servers …');
      const nuwa = await NuwaGroup.start(join(dir, 'nuwa'), 3);
      ending.push(() => nuwa.stop());
      const peers = await openPeers(resolve(peersDir), dir, say);
      for (const group of [peers.etcd, peers.zookeeper])
        ending.push(async () => await Promise.all((group?.servers ?? []).map((server) => server.stop())));
      const door = await doorOf(nuwa, peers);
      for (const what of peers.missing) say(`left out: ${what}`);
      const cases = compared.flatMap((section) => casesOf(section, { nuwa, peers, door, seconds }));
      say('warming up …');
      await warmUp(cases);
      const outcomes = await inRounds(cases, rounds, say);
      rows.push(...linesOf(outcomes, ['etcd', 'ZooKeeper']).map(rowOf));
      rows[0]!.figures['… and after, with the servers up'] = disk();
      if (peers.missing.length > 0)
        rows.push({ what: 'left out', figures: Object.fromEntries(peers.missing.map((text, i) => [i + 1, text])) });
      for (const end of ending.splice(1)) await end();
    }
    if (wanted.includes('growth')) {
      const nuwa = await NuwaGroup.start(join(dir, 'growth'), 3);
      ending.push(() => nuwa.stop());
      rows.push(...(await growth(nuwa, quick ? 100_000 : 1_000_000, quick ? 4 : 10, say)));
    }
    return rows;
  } finally {
    for (const end of ending.reverse()) await end();
  }
}

interface Stage {
  nuwa: NuwaGroup;
  peers: Peers;
  /** Nuwa as the Go client sees it. */
  door: PeerGroup | undefined;
  seconds: number;
}

async function doorOf(nuwa: NuwaGroup, peers: Peers): Promise<PeerGroup | undefined> {
  const statuses = await Promise.all(nuwa.servers.map(({ name }) => nuwa.status(name)));
  if (statuses.every((status) => status?.zookeeper)) return { endpoints: nuwa.zookeeper, servers: nuwa.servers };
  peers.missing.push("Nuwa's ZooKeeper door: the servers do not tell of one");
  return undefined;
}

function casesOf(section: Section, stage: Stage): Case[] {
  const { nuwa, peers, seconds } = stage;
  const go = (
    system: string,
    group: PeerGroup | undefined,
    kind: 'etcd' | 'zk',
    operation: string,
    clients: number,
    watchers?: number,
  ): Contender[] => {
    const { client } = peers;
    if (!client || !group) return [];
    const load = { client, kind, endpoints: group.endpoints, operation, clients, seconds, valueBytes: VALUE_BYTES, servers: group.servers };
    return [{ system, measure: () => goLoad({ ...load, ...(watchers ? { watchers } : {}) }) }];
  };
  const own = (operation: 'set' | 'get', inFlight: number): Contender => ({
    system: 'Nuwa, own client',
    measure: () => ownMeasured(nuwa, { operation, inFlight, seconds }),
  });
  switch (section) {
    case 'writes':
      return CLIENTS.map((clients) => ({
        name: `write, ${clients} under way`,
        contenders: [
          ...go('Nuwa', stage.door, 'zk', 'set', clients),
          ...go('etcd', peers.etcd, 'etcd', 'put', clients),
          ...go('ZooKeeper', peers.zookeeper, 'zk', 'set', clients),
          own('set', clients),
        ],
      }));
    case 'reads':
      return CLIENTS.map((clients) => ({
        name: `linearizable read, ${clients} under way`,
        contenders: [
          ...go('Nuwa', stage.door, 'zk', 'get', clients),
          ...go('Nuwa, sync and get', stage.door, 'zk', 'syncget', clients),
          ...go('etcd', peers.etcd, 'etcd', 'get', clients),
          ...go('ZooKeeper', peers.zookeeper, 'zk', 'syncget', clients),
          own('get', clients),
        ],
      }));
    case 'watch':
      return [
        {
          name: `events to ${WATCHERS} watchers`,
          contenders: [
            ...(stage.door ? [{ system: 'Nuwa', measure: () => fanOut(nuwa, seconds, stage.door!.endpoints) }] : []),
            { system: 'Nuwa, own client', measure: () => fanOut(nuwa, seconds) },
            ...go('etcd', peers.etcd, 'etcd', 'watch', WRITERS, WATCHERS),
          ],
        },
      ];
    case 'growth':
      return [];
  }
}

function shareOf(nuwa: NuwaGroup, own: Pick<OwnShare, 'operation' | 'inFlight' | 'seconds'>): OwnShare {
  return { addresses: nuwa.addresses, clients: OWN_SESSIONS, warmUpSeconds: 0.7, valueBytes: VALUE_BYTES, ...own };
}

async function ownMeasured(nuwa: NuwaGroup, own: Pick<OwnShare, 'operation' | 'inFlight' | 'seconds'>): Promise<Measured> {
  const share = shareOf(nuwa, own);
  const { operations, errors, latencies, serverUs } = await withServerCost(nuwa.servers, () => ownLoad(shared(share, OWN_PROCESSES)));
  return {
    perSecond: operations / share.seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    errors,
    // The cost is of the warm-up too.
    ...(serverUs === undefined ? {} : { serverUs: (serverUs * share.seconds) / (share.seconds + share.warmUpSeconds) }),
  };
}

/**
 * As many watchers and writers as the peers' client has: of our own client on 32 sessions, which ask once for all that watch the same; at the
 * door each is a session, as ZooKeeper knows one watch of a path per session. What bounds it is how fast the writers write.
 */
async function fanOut(nuwa: NuwaGroup, seconds: number, zookeeper?: string[]): Promise<Measured> {
  const base = shareOf(nuwa, { operation: zookeeper ? 'watchDoor' : 'watch', inFlight: WATCHERS, seconds });
  const watchers = shared(
    { ...base, ...(zookeeper ? { zookeeper, clients: 1 } : { clients: WATCH_SESSIONS / OWN_PROCESSES }) },
    OWN_PROCESSES,
  );
  const writers = {
    ...base,
    operation: zookeeper ? ('announceNodes' as const) : ('announce' as const),
    inFlight: WRITERS,
    clients: WRITERS,
  };
  const { operations, latencies, tookMs, serverUs } = await withServerCost(nuwa.servers, async () => {
    const { results } = await ownLoad([...watchers, { ...writers, warmUpSeconds: 0 }]);
    const heard = results.slice(0, watchers.length);
    const latencies = new Latencies();
    for (const result of heard) latencies.merge(new Latencies(result.latencies));
    const operations = heard.reduce((sum, result) => sum + result.operations, 0);
    // To the last event that anybody heard of.
    return { operations, latencies, tookMs: Math.max(...heard.map((result) => result.tookMs)) };
  });
  return {
    perSecond: operations / (tookMs / 1000),
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    ...(serverUs === undefined ? {} : { serverUs }),
  };
}

/** A first run is that of a cold JVM, and of code that was never compiled. */
async function warmUp(cases: readonly Case[]): Promise<void> {
  const middle = cases.find(({ name }) => name.includes('64')) ?? cases[0];
  for (const { measure } of middle?.contenders ?? []) await measure();
}

function rowOf({ case: name, system, over, serverUs, ...line }: Line): Row {
  return {
    what: `${name}: ${system}`,
    figures: {
      'per second, median': line.perSecond,
      'per second, least': line.min,
      'per second, most': line.max,
      'p50 ms': line.p50Ms,
      'p99 ms': line.p99Ms,
      ...(serverUs === undefined ? {} : { 'µs of servers per operation': serverUs }),
      ...Object.fromEntries(Object.entries(over).map(([peer, ratio]) => [`times ${peer}`, ratio])),
      ...(line.errors > 0 ? { errors: line.errors } : {}),
    },
  };
}

/** One line for each system of a case; what is not of a case, below. */
export function render(rows: readonly Row[]): string {
  const number = (value: number | string | undefined, digits = 0): string =>
    typeof value === 'number'
      ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
      : (value ?? '');
  const lines = rows.filter(({ figures }) => 'per second, median' in figures);
  const columns = [
    { title: 'case' },
    { title: 'per second', align: 'right' },
    { title: 'least', align: 'right' },
    { title: 'most', align: 'right' },
    { title: 'p50 ms', align: 'right' },
    { title: 'p99 ms', align: 'right' },
    { title: 'server µs', align: 'right' },
    { title: '× etcd', align: 'right' },
    { title: '× ZooKeeper', align: 'right' },
    { title: 'errors', align: 'right' },
  ] as const;
  const table = renderTable(
    columns,
    lines.map(({ what, figures }) => [
      what,
      number(figures['per second, median']),
      number(figures['per second, least']),
      number(figures['per second, most']),
      number(figures['p50 ms'], 2),
      number(figures['p99 ms'], 2),
      number(figures['µs of servers per operation']),
      number(figures['times etcd'], 2),
      number(figures['times ZooKeeper'], 2),
      number(figures.errors),
    ]),
  );
  const others = rows.filter((row) => !lines.includes(row));
  const rest = others.map(({ what, figures }) => {
    const cells = Object.entries(figures).map(([name, value]) => [name, number(value, 2)]);
    return `${what}\n${renderTable([{ title: 'figure' }, { title: 'value', align: 'right' }], cells)}`;
  });
  return [...(lines.length > 0 ? [table] : []), ...rest].join('\n\n');
}
