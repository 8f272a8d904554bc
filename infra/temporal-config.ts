import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TemporalConfig } from '../services/base/role.ts';
import { ClusterError } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The Temporal server that the environment names: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and the TLS settings, read as every
 * Temporal SDK and the CLI read them (`@temporalio/envconfig`, which also knows profiles in a file).
 *
 * @param pemDirectory where certificates that are given as text are put, since a role is told paths.
 * @returns undefined when no address is set.
 */
export async function temporalFromEnvironment(env: Environment, pemDirectory: string): Promise<TemporalConfig | undefined> {
  if (!env.TEMPORAL_ADDRESS) return undefined;
  // Loaded only where it is wanted: it brings the SDK's common code with it.
  const { loadClientConfigProfile } = await import('@temporalio/envconfig');
  const defined = Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  let profile: ReturnType<typeof loadClientConfigProfile>;
  try {
    // Without a file of profiles the SDK (1.24.0) trips over its absence, so the file is read only where the environment names it.
    const disableFile = !env.TEMPORAL_CONFIG_FILE && !env.TEMPORAL_PROFILE;
    profile = loadClientConfigProfile({ overrideEnvVars: defined, disableFile });
  } catch (cause) {
    throw new ClusterError('BadConfig', `the Temporal settings can't be read: ${(cause as Error).message}`, { cause });
  }
  const { address = env.TEMPORAL_ADDRESS, namespace = 'default', apiKey, tls } = profile;

  const pemFile = async (
    name: string,
    source: { path: string } | { data: string | Uint8Array } | undefined,
  ): Promise<string | undefined> => {
    if (!source) return undefined;
    if ('path' in source) return source.path;
    await mkdir(pemDirectory, { recursive: true, mode: 0o700 });
    await writeFile(join(pemDirectory, name), source.data, { mode: 0o600 });
    return join(pemDirectory, name);
  };
  const files = {
    certFile: await pemFile('client.pem', tls?.clientCert),
    keyFile: await pemFile('client-key.pem', tls?.clientKey),
    caFile: await pemFile('ca.pem', tls?.serverCACert),
    serverName: tls?.serverName,
  };
  // An API key goes over TLS unless that is switched off, as in the SDK.
  const wanted = tls ? !tls.disabled : apiKey !== undefined;
  const named = Object.values(files).some((value) => value !== undefined);
  return { address, namespace, ...(apiKey ? { apiKey } : {}), ...(wanted ? { tls: named ? files : true } : {}) };
}
