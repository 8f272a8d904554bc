import type { Guard } from '../kuafu/guard-contract.ts';
import type { ProcessIdentity, SecurityConfig } from '../zhongkui/contract.ts';

/**
 * A role is what one process can be asked to play: `feitian run <role> [<role>…]`. Each service's `server.ts` exports
 * `start: StartRole`. The local cluster, the compose file and a real deployment differ only in which roles run where.
 */
export interface RoleConfig {
  /** Cluster name, the authority in `pangu://<cluster>/…` and `nuwa://<cluster>/…`. */
  cluster: string;
  /** The machine this role runs on, for roles that belong to one (chunk server, Tubo). */
  node?: {
    id: string;
    rack: string;
    /** Nodes of one machine fail together. @default the node's own */
    machine?: string;
  };
  /** The role's own directory for data and scratch files; made by the role when missing. */
  dataDir: string;
  /** Directories of a chunk server's chunks, one on each disk. Absent: those it had, or else `dataDir`. */
  disks?: string[];
  /** Where to listen for Kuafu calls, `tcp://host:port`; port 0 = any free one. */
  listen: string;
  /** Kuafu addresses of the Nuwa servers, `tcp://host:port`. */
  nuwa: string[];
  /** Of a Nuwa server. Absent: a group of its own, of one. */
  nuwaServer?: {
    /** Its name in the group, `nuwa-1`. */
    id: string;
    /** Those the group begins with, this one among them; what the log says afterwards goes before. Empty: it waits to be added by a group that is there. */
    members: { id: string; address: string }[];
    /** Where it speaks the ZooKeeper protocol, `host:port`; port 0 = any free one. */
    zookeeper?: string;
    /** Reads by lease: a round trip less for each, where clocks can be trusted to run at nearly the same rate. On all servers of the group, or on none. @default false */
    leaseReads?: boolean;
  };
  /** `unix:///path` of this machine's proxy: where it listens for the role kuafu-proxy, what they call through for all others. Absent: no proxy. */
  proxy?: string;
  /** Postgres URL; present for roles that keep tables. */
  databaseUrl?: string;
  temporal?: TemporalConfig;
  /** Who decides which calls this role answers. Absent: it answers anybody. */
  guard?: Guard;
  /** Whom this role makes its own calls as. Absent: nobody. */
  identity?: ProcessIdentity;
  /** What `guard` and `identity` are made from. Absent: this process was told to do without. */
  security?: SecurityConfig;
  /** Where this process tells its metrics, `host:port`; port 0 = any free one. The role does not serve it: whoever starts roles does. */
  metrics?: string;
  /** Where a role that speaks HTTP listens, `host:port`; port 0 = any free one. */
  http?: string;
  /** Of the token that whoever asks this process by HTTP shows: `/metrics`, and Shennong's `/sd`, `/alerts` and `/events`. Absent: anybody may ask. */
  httpTokenFile?: string;
  /** Jobs must say who submits them, and touch only what that one may. @default false */
  requireSubmitter?: boolean;
  /** What Tubo offers for containers. */
  resources?: { cpu: number; memoryMiB: number };
}

export interface TemporalConfig {
  address: string;
  namespace: string;
  apiKey?: string;
  /** `true`, or paths of PEM files. */
  tls?: boolean | { certFile?: string; keyFile?: string; caFile?: string; serverName?: string };
}

export interface RunningRole {
  /** Where it answers Kuafu calls, if it does. */
  address?: string;
  /** Resolves, with why for people, when this role will never do its part again and its process had better end. Absent: it has no such end. */
  over?: Promise<string>;
  /** Finishes what is under way, unregisters, closes. Safe to call twice. */
  stop(): Promise<void>;
}

export type StartRole = (config: RoleConfig) => Promise<RunningRole>;
