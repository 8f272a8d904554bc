import type { MachineFiles } from '../../services/zhongkui/client.ts';
import type { Identities } from './identities.ts';
import type { Layout } from './layout.ts';
import type { ClusterShape } from './options.ts';
import type { ProcessSpec } from './process-run.ts';

/** What a start is given by the launcher. */
export interface StartContext {
  layout: Layout;
  shape: ClusterShape;
  launchId: string;
  identities: Identities;
  /** This machine's certificate, where the cluster speaks TLS. */
  tls?: MachineFiles;
  /** Filled with every port that is used, for the check at the end that they are free again. */
  ports: Set<number>;
  step<T>(name: string, work: () => Promise<T>, detail?: (result: T) => string | undefined): Promise<T>;
  /** Says that something is left out that can be done without, and how to get it. */
  note(name: string, detail: string): void;
  /** Resolves when the process is ready. */
  start(spec: ProcessSpec): Promise<void>;
}
