/** The Temporal server of a local cluster: the CLI's development server with its database in a file, set to be as quick as it can be. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../services/base/errors.ts';
import type { TemporalConfig } from '../../services/base/role.ts';
import { DAYU_SEARCH_ATTRIBUTES } from '../../services/dayu/contract.ts';
import { SEARCH_ATTRIBUTES as FUXI_SEARCH_ATTRIBUTES } from '../../services/fuxi/contract.ts';
import { ClusterError } from '../errors.ts';
import { runProgram } from '../setup/run-program.ts';

export interface TemporalPorts {
  grpc: number;
  ui: number;
  http: number;
  metrics: number;
}

/**
 * The server reads each of its queues 20 times a second unless told otherwise, so that every step that waits for the one before costs 51 ms. With
 * these, and SQLite's write-ahead log: 12 ms a step, 309 activities a second instead of 145, 48 workflows a second instead of 23.
 */
export const DYNAMIC_CONFIG: Record<string, number> = {
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  'history.visibilityProcessorMaxPollRPS': 2000,
  'history.transferProcessorMaxPollHostRPS': 5000,
  'history.timerProcessorMaxPollHostRPS': 5000,
  'history.visibilityProcessorMaxPollHostRPS': 5000,
};

/** `synchronous=1`: a killed server loses nothing; a machine that loses power may lose the last moments. */
const PRAGMAS: Record<string, string | number> = { journal_mode: 'wal', synchronous: 1 };

/** Flags that older versions of the CLI don't know and that can be done without. */
const OPTIONAL_FLAGS = ['--ui-disable-news-fetch'];

const SEARCH_ATTRIBUTES = { ...FUXI_SEARCH_ATTRIBUTES, ...DAYU_SEARCH_ATTRIBUTES };

export async function temporalCommand(
  cli: string,
  databaseFile: string,
  namespace: string,
  ports: TemporalPorts,
): Promise<{ command: string; args: string[] }> {
  const { stdout: help } = await runProgram(cli, ['server', 'start-dev', '--help'], { timeoutMs: 20_000 });
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--db-filename', databaseFile, '--log-level', 'warn', '--log-format', 'json'];
  args.push('--port', `${ports.grpc}`, '--ui-port', `${ports.ui}`, '--http-port', `${ports.http}`, '--metrics-port', `${ports.metrics}`);
  if (namespace !== 'default') args.push('--namespace', namespace);
  for (const [key, value] of Object.entries(DYNAMIC_CONFIG)) args.push('--dynamic-config-value', `${key}=${value}`);
  for (const [name, value] of Object.entries(PRAGMAS)) args.push('--sqlite-pragma', `${name}=${value}`);
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) args.push('--search-attribute', `${name}=${CLI_TYPE[type]}`);
  args.push(...OPTIONAL_FLAGS.filter((flag) => help.includes(flag)));
  return { command: cli, args };
}

const CLI_TYPE = { KEYWORD: 'Keyword', INT: 'Int' } as const;

/** Waits until the server answers and knows the namespace and our search attributes. Its HTTP face says so without a gRPC client. */
export async function awaitTemporal({ http }: TemporalPorts, namespace: string, signal: AbortSignal): Promise<void> {
  const url = `http://127.0.0.1:${http}/cluster/namespaces/${encodeURIComponent(namespace)}/search-attributes`;
  for (;;) {
    signal.throwIfAborted();
    const known = await fetch(url, { signal }).then(
      (response) => response.text(),
      () => '',
    );
    if (Object.keys(SEARCH_ATTRIBUTES).every((name) => known.includes(`"${name}"`))) return;
    await delay(25, undefined, { signal });
  }
}

/** Makes a server that somebody else runs know our search attributes. What it knows already stays as it is. */
export async function registerSearchAttributes(config: TemporalConfig): Promise<void> {
  // Loaded only for this: the Temporal client is a good part of a second of start-up.
  const { connectClient } = await import('../temporal/connect.ts');
  const client = await connectClient(config);
  try {
    const { operatorService } = client.connection;
    const { namespace } = config;
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => !(name in customAttributes));
    if (missing.length === 0) return;
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, INDEXED_VALUE_TYPE[type]])),
    });
  } catch (error) {
    if ((error as { code?: number }).code === ALREADY_EXISTS) return;
    const list = Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => `${name} (${CLI_TYPE[type]})`);
    const why = `namespace ${config.namespace} at ${config.address} could not be given its search attributes: ${messageOf(error)}`;
    throw new ClusterError('StartFailed', `${why}. If that is not allowed, have these registered: ${list.join(', ')}.`, { cause: error });
  } finally {
    await client.connection.close();
  }
}

/** temporal.api.enums.v1.IndexedValueType */
const INDEXED_VALUE_TYPE = { KEYWORD: 2, INT: 3 } as const;
/** gRPC's code: somebody else was quicker. */
const ALREADY_EXISTS = 6;
