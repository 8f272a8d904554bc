import type { Challenge, Credentials, Identity } from '../../kuafu/guard-contract.ts';
import { identityOf, parsePrivateKey } from '../../zhongkui/client.ts';
import type { AttemptIdentity } from './messages.ts';

/** Whom a runner speaks for: the attempt that runs in it now. Connections stay, and show the new one before the next call. */
export class RunnerIdentity implements Identity {
  version = 0;
  #now: Identity | undefined;

  take({ key, token }: AttemptIdentity): void {
    this.#now = identityOf({ keyPair: parsePrivateKey(key), token });
    this.version++;
  }

  present(challenge: Challenge): Credentials {
    if (!this.#now) throw new Error('no attempt runs here');
    return this.#now.present(challenge);
  }
}
