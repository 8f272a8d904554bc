import { readPrivateFile } from '../zhongkui/client.ts';

/**
 * What whoever asks by HTTP shows: Prometheus, Alertmanager, people with curl. One for the whole cluster, random, in a file that only its owner may read; they have no keys of
 * Zhongkui's. Read once: a process that is to take another is started anew.
 */
export async function readHttpToken(path: string): Promise<string> {
  const token = (await readPrivateFile(path)).trim();
  // As RFC 6750 has them, and long enough not to be guessed.
  if (!/^[A-Za-z0-9._~+/-]{20,}=*$/.test(token)) throw new Error(`${path} holds no token: at least 20 letters, digits and -._~+/ are one`);
  return token;
}
