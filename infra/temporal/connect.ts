import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { backoffMs } from '../../services/base/backoff.ts';
import { systemClock } from '../../services/base/clock.ts';
import { messageOf } from '../../services/base/errors.ts';
import { systemRandom } from '../../services/base/random.ts';
import type { TemporalConfig } from '../../services/base/role.ts';

/** Connections to Temporal. Both kinds wait for a server that is just starting, and come back by themselves when it was away. */
const WAIT_MS = 30_000;

export async function connectClient(config: TemporalConfig): Promise<Client> {
  const connection = await untilItAnswers(config, async () =>
    Connection.connect({ ...(await options(config)), connectTimeout: '5 seconds' }),
  );
  return new Client({ connection, namespace: config.namespace });
}

export function connectWorker(config: TemporalConfig): Promise<NativeConnection> {
  return untilItAnswers(config, async () => NativeConnection.connect(await options(config)));
}

async function untilItAnswers<T>({ address }: TemporalConfig, connect: () => Promise<T>): Promise<T> {
  const untilMs = systemClock.monotonicMs() + WAIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect();
    } catch (error) {
      if (systemClock.monotonicMs() > untilMs)
        throw new Error(`no Temporal server answers at ${address}: ${messageOf(error)}`, { cause: error });
      await systemClock.sleep(backoffMs(attempt, systemRandom, { firstMs: 100, maxMs: 2_000 }));
    }
  }
}

async function options({ address, apiKey, tls }: TemporalConfig) {
  const base = { address, ...(apiKey === undefined ? {} : { apiKey }) };
  if (tls === undefined || typeof tls === 'boolean') return tls === undefined ? base : { ...base, tls };
  const { certFile, keyFile, caFile, serverName } = tls;
  const [crt, key, ca] = await Promise.all([certFile, keyFile, caFile].map((path) => (path ? readFile(path) : undefined)));
  return {
    ...base,
    tls: {
      ...(crt && key ? { clientCertPair: { crt, key } } : {}),
      ...(ca ? { serverRootCACertificate: ca } : {}),
      ...(serverName ? { serverNameOverride: serverName } : {}),
    },
  };
}
