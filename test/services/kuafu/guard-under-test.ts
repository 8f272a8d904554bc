import { createHash } from 'node:crypto';
import { FeitianError } from '../../../services/base/errors.ts';
import type { Caller, Challenge, Credentials, Guard, Identity } from '../../../services/kuafu/guard-contract.ts';

/** A guard that believes tokens as they are written, `{ name, may: ["read pangu://local/"] }`, once their proof fits the challenge. No keys: the port is what is tested. */
export class GuardError extends FeitianError<'TokenForged' | 'TokenExpired' | 'WrongHolder'> {}

export interface Token {
  name: string;
  /** `<operation> <resource or prefix ending in />`. */
  may: string[];
}

function proofOf(token: string, { nonce, cluster, binding }: Challenge): Buffer {
  const hash = createHash('sha256').update(token).update(nonce).update(cluster);
  return (binding ? hash.update(binding) : hash).digest();
}

export class TestIdentity implements Identity {
  version = 1;
  token: Token;
  /** How often it was shown. */
  presented = 0;

  constructor(name: string, ...may: string[]) {
    this.token = { name, may };
  }

  renew(name: string, ...may: string[]): void {
    this.token = { name, may };
    this.version++;
  }

  present(challenge: Challenge): Credentials {
    this.presented++;
    const token = JSON.stringify(this.token);
    return { token, proof: proofOf(token, challenge) };
  }
}

export class TestGuard implements Guard {
  readonly log: string[] = [];
  readonly admitted: string[] = [];
  /** Names of tokens that ended, and why. */
  readonly ends = new Map<string, string>();
  /** While set, admissions wait for it. */
  gate: Promise<void> | undefined;

  admit({ token, proof }: Credentials, challenge: Challenge): Promise<Caller> | Caller {
    const decide = (): Caller => {
      if (!proofOf(token, challenge).equals(proof)) throw new GuardError('WrongHolder', 'the proof is for another connection');
      const { name, may } = JSON.parse(token) as Token;
      if (name.startsWith('forged')) throw new GuardError('TokenForged', 'nobody signed this');
      this.admitted.push(name);
      return this.#caller(name, may);
    };
    return this.gate ? this.gate.then(decide) : decide();
  }

  refused(caller: Caller, method: string, operation: string, resource: string): void {
    this.log.push(`refused ${caller.name} ${method} ${operation} ${resource}`.trim());
  }

  allowed(caller: Caller, method: string, operation: string, resource: string): void {
    this.log.push(`allowed ${caller.name} ${method} ${operation} ${resource}`.trim());
  }

  #caller(name: string, may: readonly string[]): Caller {
    return {
      name,
      key: `key of ${name}`,
      ended: () => this.ends.get(name),
      refusal: (operation, resource) =>
        may.some((each) => each === `${operation} ${resource}` || (each.endsWith('/') && `${operation} ${resource}`.startsWith(each)))
          ? undefined
          : `${name} may not ${operation} ${resource}`,
    };
  }
}
