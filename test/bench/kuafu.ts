import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CertificateFiles, selfSigned } from './kuafu/certificate.ts';
import { echoResource } from './kuafu/echo-contract.ts';
import { GrpcGo } from './kuafu/grpc-go.ts';
import { type KeyFiles, makeKeys, nsOfCheck } from './kuafu/keys.ts';
import { Pair } from './kuafu/pair.ts';
import { openRpcPeers, type RpcPeers } from './kuafu/peers.ts';
import type { SystemName, SystemOptions } from './kuafu/systems.ts';
import { rowOf } from './kuafu/table.ts';
import type { BenchOptions, Row } from './main.ts';
import { type Case, type Contender, inRounds, type Line, linesOf } from './nuwa/rounds.ts';

export { render } from './kuafu/table.ts';

/**
 * Kuafu beside other ways to call: raw sockets as the bound, grpc-js and Connect as what a Node program would use, grpc-go as the stretch. Server and caller are two
 * processes with one connection, warm for the whole run, measured in turns. What counts is the ratio within a run: other work on the machine slows all of them.
 */
const PEERS = fileURLToPath(new URL('../../../shared/peers', import.meta.url));
const IN_FLIGHT = [1, 64, 512];

export const SECTIONS = ['unary', 'stream', 'token'] as const;
type Section = (typeof SECTIONS)[number];

/** By the names they have in the table. The others are held against these. */
const PEER_SYSTEMS = {
  'node:net': 'net',
  'grpc-js': 'grpc-js',
  connect: 'connect',
  'connect, gRPC': 'connect-grpc',
} as const satisfies Record<string, SystemName>;
const HELD_AGAINST = [...Object.keys(PEER_SYSTEMS), 'grpc-go', 'node:tls', 'no guard'];

export async function run({ quick, say, rounds = quick ? 1 : 5, peers: peersDir = PEERS, only }: BenchOptions): Promise<Row[]> {
  const wanted = (only?.split(',') ?? SECTIONS) as Section[];
  const unknown = wanted.filter((section) => !SECTIONS.includes(section));
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}: there are ${SECTIONS.join(', ')}`);
  const dir = await mkdtemp(join(tmpdir(), 'feitian-bench-kuafu-'));
  const stage = new Stage(dir, quick ? 1 : 3, quick ? 256 : 1_024, say);
  const loadBefore = loadavg()[0]!;
  try {
    await stage.open(resolve(peersDir));
    const cases: Case[] = [];
    for (const section of wanted) cases.push(...(await casesOf(section, stage)));
    say('warming up …');
    const ready = await warm(cases, stage);
    const outcomes = await inRounds(ready, rounds, say);
    const machine = {
      'load before': loadBefore,
      'load after': loadavg()[0]!,
      processors: cpus().length,
      rounds,
      node: process.version,
      ...stage.peers.versions,
    };
    const lines = linesOf(outcomes, HELD_AGAINST);
    return [
      ...lines.map(rowOf),
      ...(wanted.includes('token') ? [await checkRow(stage.keys!, lines)] : []),
      { what: 'the machine', figures: machine },
      ...(stage.missing.length > 0
        ? [{ what: 'left out', figures: Object.fromEntries(stage.missing.map((text, i) => [i + 1, text])) }]
        : []),
    ];
  } finally {
    await stage.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The processes of a run: each system is started when the first case wants it. */
class Stage {
  readonly seconds: number;
  /** How much grpc-go's client streams: it knows no seconds. */
  readonly mib: number;
  readonly missing: string[] = [];
  readonly #dir: string;
  readonly #say: (line: string) => void;
  readonly #pairs = new Map<SystemName, Pair>();
  peers: RpcPeers = { versions: {}, missing: [] };
  grpcGo: GrpcGo | undefined;
  certificate: CertificateFiles | undefined;
  keys: KeyFiles | undefined;

  constructor(dir: string, seconds: number, mib: number, say: (line: string) => void) {
    this.#dir = dir;
    this.seconds = seconds;
    this.mib = mib;
    this.#say = say;
  }

  async open(peersDir: string): Promise<void> {
    this.peers = await openRpcPeers(peersDir, this.#say);
    for (const what of this.peers.missing) this.leftOut(what);
    try {
      this.certificate = await selfSigned(this.#dir);
    } catch (error) {
      this.leftOut(`TLS: ${(error as Error).message}`);
    }
    this.keys = await makeKeys(this.#dir);
    if (this.peers.grpcGo) this.grpcGo = await GrpcGo.start(this.peers.grpcGo, this.#dir, this.seconds, this.mib);
  }

  leftOut(what: string): void {
    this.missing.push(what);
    this.#say(`left out: ${what}`);
  }

  async pair(system: SystemName): Promise<Pair> {
    const { certificate: tls, keys } = this;
    const options: SystemOptions = { packages: this.peers.packages ?? '', ...(tls ? { tls } : {}), ...(keys ? { keys } : {}) };
    const pair = this.#pairs.get(system) ?? (await Pair.start(system, options));
    this.#pairs.set(system, pair);
    return pair;
  }

  /** After a failure: whoever needs it next gets new processes. */
  drop(system: SystemName): void {
    this.#pairs.get(system)?.stop();
    this.#pairs.delete(system);
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs.values()) pair.stop();
    await this.grpcGo?.stop();
  }
}

async function casesOf(section: Section, stage: Stage): Promise<Case[]> {
  switch (section) {
    case 'unary':
      return IN_FLIGHT.map((inFlight) => ({
        name: `100 bytes there and back, ${inFlight} in flight`,
        contenders: contenders(stage, { Kuafu: 'kuafu', ...peersOf(stage) }, `unary ${inFlight}`, (pair) =>
          pair.unary(inFlight, stage.seconds),
        ),
      }));
    case 'stream':
      return (['up', 'down'] as const).flatMap((direction) => {
        const measure = (pair: Pair) => pair.stream(direction, stage.seconds);
        const encrypted: Record<string, SystemName> = stage.certificate ? { Kuafu: 'kuafu-tls', 'node:tls': 'tls' } : {};
        return [
          {
            name: `1 MiB messages ${direction}, MB`,
            contenders: contenders(stage, { Kuafu: 'kuafu', ...peersOf(stage) }, direction, measure),
          },
          { name: `1 MiB messages ${direction} with TLS, MB`, contenders: contenders(stage, encrypted, undefined, measure) },
        ];
      });
    case 'token':
      return IN_FLIGHT.filter((inFlight) => inFlight > 1).map((inFlight) => ({
        name: `the same without a guard and with one, ${inFlight} in flight`,
        contenders: contenders(stage, { 'no guard': 'kuafu', 'a guard': 'kuafu-guarded' }, undefined, (pair) =>
          pair.unary(inFlight, stage.seconds),
        ),
      }));
  }
}

function peersOf({ peers }: Stage): Partial<typeof PEER_SYSTEMS> {
  return peers.packages === undefined ? { 'node:net': 'net' } : PEER_SYSTEMS;
}

function contenders(
  stage: Stage,
  systems: Record<string, SystemName>,
  ofGo: string | undefined,
  measure: (pair: Pair) => ReturnType<Contender['measure']>,
): Contender[] {
  const all: Contender[] = Object.entries(systems).map(([name, system]) => ({
    system: name,
    measure: async () => {
      try {
        return await measure(await stage.pair(system));
      } catch (error) {
        stage.drop(system);
        throw error;
      }
    },
  }));
  const { grpcGo } = stage;
  if (grpcGo && ofGo) all.push({ system: 'grpc-go', measure: () => grpcGo.measure(ofGo) });
  return all;
}

/** Two runs differ by more than a check costs, so it is measured alone too, and held against the processor time of the calls above. */
async function checkRow(keys: KeyFiles, lines: readonly Line[]): Promise<Row> {
  const ns = await nsOfCheck(keys, echoResource);
  const shares = lines
    .filter(({ system }) => system === 'no guard')
    .map(({ case: name, serverUs = Number.NaN, clientUs = Number.NaN }): [string, number] => [
      `% of a call: ${name}`,
      ns / 10 / (serverUs + clientUs),
    ]);
  return { what: "a token's check alone", figures: { ns, ...Object.fromEntries(shares) } };
}

/** A first run is that of code that was never compiled. What fails in it takes no part: the reason is told with the figures. */
async function warm(cases: readonly Case[], stage: Stage): Promise<Case[]> {
  const ready: Case[] = [];
  for (const { name, contenders } of cases) {
    const able: Contender[] = [];
    for (const contender of contenders) {
      try {
        await contender.measure();
        able.push(contender);
      } catch (error) {
        stage.leftOut(`${name}, ${contender.system}: ${(error as Error).message}`);
      }
    }
    ready.push({ name, contenders: able });
  }
  return ready;
}
