import type { CertificateFiles } from './certificate.ts';
import type { KeyFiles } from './keys.ts';

/**
 * What is compared: each system is a server in one process and a caller in another, over one connection, and does the same three things. Peers come from
 * packages outside this repository, so every system is loaded only in the processes that run it.
 */
export interface System {
  /** @returns where callers find it. */
  serve(): Promise<string>;
  connect(address: string): Promise<Caller>;
}

export interface Caller {
  /** PAYLOAD_BYTES there and back. */
  unary(): Promise<unknown>;
  /** So many messages of MESSAGE_BYTES to the server; resolves when it has them all. */
  up(messages: number): Promise<void>;
  /** … and from it. */
  down(messages: number): Promise<void>;
}

export const PAYLOAD_BYTES = 100;
export const MESSAGE_BYTES = 1 << 20;

export interface SystemOptions {
  /** Where the peers' packages are installed. */
  packages: string;
  /** For the systems that speak TLS: of both ends, and the authority's. */
  tls?: CertificateFiles;
  /** For the one that has a guard. */
  keys?: KeyFiles;
}

export const SYSTEMS = {
  kuafu: async () => (await import('./systems/kuafu.ts')).kuafu({}),
  'kuafu-guarded': async ({ keys }: SystemOptions) => (await import('./systems/kuafu.ts')).kuafu(keys ? { keys } : {}),
  'kuafu-tls': async ({ tls }: SystemOptions) => (await import('./systems/kuafu.ts')).kuafu(tls ? { tls } : {}),
  net: async () => (await import('./systems/raw.ts')).raw({}),
  tls: async ({ tls }: SystemOptions) => (await import('./systems/raw.ts')).raw(tls ? { tls } : {}),
  'grpc-js': async ({ packages }: SystemOptions) => (await import('./systems/grpc-js.ts')).grpcJs(packages),
  connect: async ({ packages }: SystemOptions) => (await import('./systems/connect.ts')).connect(packages, 'connect'),
  'connect-grpc': async ({ packages }: SystemOptions) => (await import('./systems/connect.ts')).connect(packages, 'grpc'),
} as const satisfies Record<string, (options: SystemOptions) => Promise<System>>;
export type SystemName = keyof typeof SYSTEMS;

/** What a process of a system is told at its start, and asked then. */
export interface Part {
  system: SystemName;
  options: SystemOptions;
  /** Of the caller: where its server is. */
  address?: string;
}

export type Question = { ask: 'cpuMs' } | { ask: 'unary'; inFlight: number; seconds: number } | { ask: 'up' | 'down'; seconds: number };

export interface UnaryTold {
  /** Within the seconds that count. */
  calls: number;
  /** Buckets of `Latencies`. */
  latencies: number[];
  /** With those of the warm-up, as is the processor time. */
  allCalls: number;
  cpuMs: number;
}

export interface StreamTold {
  messages: number;
  tookMs: number;
  /** With those of the warm-up, as is the processor time. */
  allMessages: number;
  cpuMs: number;
}
