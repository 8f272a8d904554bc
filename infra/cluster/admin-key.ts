import { generateKeyPairSync } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { writePrivateFile } from './private-file.ts';

/** The administrator's Ed25519 key, made at the cluster's first start: PKCS#8 PEM, readable by its owner only. */
export async function ensureAdminKey(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return;
  const { privateKey } = generateKeyPairSync('ed25519');
  writePrivateFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}
