import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../base/backoff.ts';
import { messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { processRegistry } from '../../base/metrics.ts';
import { systemRandom } from '../../base/random.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import { connectNuwa } from '../../nuwa/client.ts';
import type { NuwaClient, Registration } from '../../nuwa/contract.ts';
import { METRICS_SERVICE } from '../contract.ts';
import { type HttpServer, serveHttp } from '../http.ts';
import { readHttpToken } from '../http-token.ts';
import { readForeignMetrics } from './foreign.ts';

export interface MetricsEndpointOptions {
  /** `host:port`; port 0 = any free one. */
  listen: string;
  cluster: string;
  /** Kuafu addresses of the Nuwa servers; without any, nobody is told where this process is. */
  nuwa: readonly string[];
  /** A client that the process has anyway, which stays its own. @default one of the endpoint's own, that asks nobody who it is */
  client?: () => Promise<NuwaClient>;
  /** The roles of this process, with `+` between them. */
  role: string;
  /** Whom it registers as. @default nobody */
  identity?: Identity;
  node?: { id: string; rack: string };
  /** Of the token that whoever reads the metrics shows. @default anybody may read them */
  httpTokenFile?: string;
  log: Logger;
}

export interface MetricsEndpoint {
  /** No longer registered, and no longer answering. Never rejects, and takes a second at most. */
  stop(): Promise<void>;
}

/** A process is of use without its metrics: a port that is taken and a Nuwa that is away are tried again, ever more rarely. */
const RETRY_BACKOFF = { firstMs: 200, maxMs: 10_000 };
const LEAVE_MS_MAX = 1_000;

/**
 * Serves `GET /metrics` of this process and registers it in Nuwa, in the background: nobody waits for it, and nothing that fails here is an
 * error of the process.
 */
export function startMetricsEndpoint(options: MetricsEndpointOptions): MetricsEndpoint {
  const { log } = options;
  const stopping = new AbortController();
  let http: HttpServer | undefined;
  let nuwa: NuwaClient | undefined;
  let own: NuwaClient | undefined;
  let registration: Registration | undefined;

  const run = async (): Promise<void> => {
    const { listen, httpTokenFile } = options;
    http = await persist('metrics.unserved', async () => {
      const token = httpTokenFile === undefined ? undefined : await readHttpToken(httpTokenFile);
      return await serveHttp(listen, { 'GET /metrics': () => tell(log) }, log, { token });
    });
    if (!http) return;
    log.info({ address: http.address }, 'metrics.serving');
    const { address } = http;
    if (options.nuwa.length > 0) await persist('metrics.unregistered', () => register(address));
  };

  const register = async (address: string): Promise<void> => {
    const { cluster, role, node, identity } = options;
    // Of its own where none is given, since the roles' are theirs; it waits for a Nuwa that is away by itself.
    nuwa ??=
      (await options.client?.()) ??
      (own = await connectNuwa({ addresses: options.nuwa, cluster, creator: `metrics of ${role}`, identity, log }));
    registration = await nuwa.register(METRICS_SERVICE, newId(role.replaceAll('+', '-')), {
      address: `http://${address}`,
      ...(node ? { node: node.id, rack: node.rack } : {}),
      pid: process.pid,
      attributes: { role },
    });
  };

  async function persist<T>(event: string, work: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 1; !stopping.signal.aborted; tries++) {
      try {
        return await work();
      } catch (error) {
        log.warn({ tries, error: messageOf(error) }, event);
        await delay(backoffMs(tries, systemRandom, RETRY_BACKOFF), undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      }
    }
    return undefined;
  }

  const running = run().catch((error) => log.error({ error }, 'metrics.failed'));
  const stop = async (): Promise<void> => {
    stopping.abort();
    // The session's end takes the registration with it.
    const leaving = Promise.resolve(own ? own.close() : registration?.unregister()).catch(() => {});
    await Promise.race([leaving, delay(LEAVE_MS_MAX, undefined, { ref: false })]);
    await http?.close();
    void running;
  };
  let stopped: Promise<void> | undefined;
  return { stop: () => (stopped ??= stop()) };
}

async function tell(log: Logger): Promise<{ type: string; body: string }> {
  const [own, foreign] = await Promise.all([
    processRegistry.metrics(),
    readForeignMetrics((error) => log.warn({ error: messageOf(error) }, 'metrics.foreign-failed')),
  ]);
  return { type: processRegistry.contentType, body: own + foreign };
}
