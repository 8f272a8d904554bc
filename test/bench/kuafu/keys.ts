import { join } from 'node:path';
import { silentLogger } from '../../../services/base/log.ts';
import type { Challenge, Guard } from '../../../services/kuafu/guard-contract.ts';
import { createAudit } from '../../../services/zhongkui/audit.ts';
import { createGuard } from '../../../services/zhongkui/guard.ts';
import { issue } from '../../../services/zhongkui/issuer.ts';
import { type HeldIdentity, identityOf, readKeyFile, writeKeyFile } from '../../../services/zhongkui/keys/identity-file.ts';
import { createKeyPair } from '../../../services/zhongkui/keys/key-pair.ts';
import { trustOf } from '../../../services/zhongkui/keys/trust-file.ts';
import { NO_REVOCATIONS } from '../../../services/zhongkui/revocations/view.ts';

/** An issuer that the server trusts, and a caller with a token of it: files, since they are two processes. */
export interface KeyFiles {
  issuerFile: string;
  callerFile: string;
}

export const CLUSTER = 'bench';
const DAY_MS = 86_400_000;

export async function makeKeys(dir: string): Promise<KeyFiles> {
  const [issuerFile, callerFile] = [join(dir, 'issuer'), join(dir, 'caller')];
  const [issuer, keyPair] = [createKeyPair(), createKeyPair()];
  const capabilities = [{ resource: `kuafu://${CLUSTER}/`, operations: ['read' as const] }];
  const { token } = await issue(
    { cluster: CLUSTER, keyPair: issuer },
    { name: 'user/bench', holder: keyPair, capabilities, ttlMs: DAY_MS },
    Date.now(),
  );
  await writeKeyFile(issuerFile, { keyPair: issuer });
  await writeKeyFile(callerFile, { keyPair, token });
  return { issuerFile, callerFile };
}

/** With an audit that counts, and says nothing. */
export async function guardOf({ issuerFile }: KeyFiles): Promise<Guard> {
  const { keyPair } = await readKeyFile(issuerFile);
  return createGuard({
    cluster: CLUSTER,
    trust: trustOf([keyPair]),
    revocations: NO_REVOCATIONS,
    audit: createAudit({ log: silentLogger }),
  });
}

export async function identityFrom({ callerFile }: KeyFiles): Promise<HeldIdentity> {
  const { keyPair, token } = await readKeyFile(callerFile);
  return identityOf({ keyPair, token: token! });
}

const CHECKS = 1_000_000;

/** Nanoseconds of what a guard is asked for one call of a caller whom it knows, with naming the resource, since each call does that anew. */
export async function nsOfCheck(keys: KeyFiles, resourceOf: (cluster: string) => string): Promise<number> {
  const [guard, identity] = [await guardOf(keys), await identityFrom(keys)];
  const challenge: Challenge = { nonce: new Uint8Array(32), cluster: CLUSTER };
  const caller = await guard.admit(identity.present(challenge), challenge);
  let refused = 0;
  const check = (): void => {
    const resource = resourceOf(CLUSTER);
    if (caller.ended() !== undefined || caller.refusal('read', resource) !== undefined) refused++;
    guard.allowed(caller, 'echo.unary', 'read', resource);
  };
  for (let i = 0; i < CHECKS / 10; i++) check();
  const before = process.cpuUsage();
  for (let i = 0; i < CHECKS; i++) check();
  const { user, system } = process.cpuUsage(before);
  if (refused > 0) throw new Error(`${refused} checks were refused`);
  return ((user + system) * 1_000) / CHECKS;
}
