import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { FeitianError } from '../../../../services/base/errors.ts';
import { createGuard } from '../../../../services/zhongkui/guard.ts';
import type { Holding } from '../../../../services/zhongkui/tokens/delegate.ts';
import { can, challengeOf, credentialsOf, Stage } from '../stage.ts';

/** Whatever comes: nobody is let in but who should be, and there is never another error than Zhongkui's. fast-check prints the seed of what fails. */
const stage = new Stage();
const guard = createGuard({ cluster: 'local', trust: stage.trust, revocations: stage.revocations, clock: stage.clock });
const challenge = challengeOf();

/** Three chains that share keys, so that their links nearly fit each other. */
let tokens: Holding[];
beforeAll(async () => {
  const root = await stage.issued({ capabilities: [can('pangu://local/', 'read', 'write')] });
  const narrow = await stage.issued({ keyPair: root.keyPair, capabilities: [can('pangu://local/a', 'read')] });
  const child = await stage.delegated(root, { capabilities: [can('pangu://local/b', 'read')] });
  const other = await stage.delegated(narrow, { keyPair: child.keyPair });
  const grandchild = await stage.delegated(child);
  tokens = [root, narrow, child, other, grandchild];
});

async function isTurnedAway(credentials: unknown): Promise<void> {
  const admitted = await (guard.admit(credentials as never, challenge) as Promise<unknown>).catch((error: unknown) => error);
  expect(admitted).toBeInstanceOf(FeitianError);
  expect((admitted as Error).name).toBe('ZhongkuiError');
}

const index = fc.nat({ max: 1e6 });
type Change = (token: string) => string;
const change: fc.Arbitrary<Change> = fc.oneof(
  // One character, anywhere.
  fc.tuple(index, fc.constantFrom(...'AZaz09-_.~=+/ {"\0é')).map<Change>(([at, by]) => (token) => {
    const i = at % token.length;
    return token.slice(0, i) + by + token.slice(i + 1);
  }),
  // Cut, doubled, turned round.
  index.map<Change>((at) => (token) => token.slice(0, at % token.length)),
  index.map<Change>((at) => (token) => token.slice(at % token.length)),
  fc.tuple(index, index).map<Change>(([at, length]) => (token) => {
    const i = at % token.length;
    return token.slice(0, i) + token.slice(i, i + (length % 50)) + token.slice(i);
  }),
  // One bit of what the text stands for.
  fc.tuple(index, index, fc.nat({ max: 7 })).map<Change>(([which, at, bit]) => (token) => {
    const parts = token.split(/([.~])/);
    const part = (which % ((parts.length + 1) / 2)) * 2;
    const bytes = Buffer.from(parts[part]!, 'base64url');
    bytes[at % bytes.length]! ^= 1 << bit;
    parts[part] = bytes.toString('base64url');
    return parts.join('');
  }),
);

describe('the guard turns away', () => {
  test('tokens that were altered', async () => {
    await fc.assert(
      fc.asyncProperty(index, fc.array(change, { minLength: 1, maxLength: 3 }), async (which, changes) => {
        const holding = tokens[which % tokens.length]!;
        const altered = changes.reduce((token, each) => each(token), holding.token);
        if (tokens.some(({ token }) => token === altered)) return;
        await isTurnedAway({ ...credentialsOf(holding, challenge), token: altered });
      }),
      { numRuns: 150 },
    );
  });

  test('chains that are put together of links of others', async () => {
    const links = tokens.flatMap(({ token }) => token.split('~'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: links.length - 1 }), { minLength: 1, maxLength: 9 }), index, async (picked, signer) => {
        const token = picked.map((i) => links[i]).join('~');
        if (tokens.some((each) => each.token === token)) return;
        await isTurnedAway({ ...credentialsOf(tokens[signer % tokens.length]!, challenge), token });
      }),
      { numRuns: 80 },
    );
  });

  test('parts of links that are put together anew', async () => {
    const parts = tokens.flatMap(({ token }) => token.split('~').map((link) => link.split('.')));
    const part = fc.nat({ max: parts.length - 1 });
    await fc.assert(
      fc.asyncProperty(part, part, part, async (a, b, c) => {
        const token = `${parts[a]![0]}.${parts[b]![1]}.${parts[c]![2]}`;
        if (tokens.some((each) => each.token === token)) return;
        await isTurnedAway({ ...credentialsOf(tokens[0]!, challenge), token });
      }),
      { numRuns: 80 },
    );
  });

  test('whatever else comes in their place', async () => {
    const strange = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.stringMatching(/^[\w.~-]{0,200}$/),
      fc.anything({ maxDepth: 2 }),
      fc.json().map((json) => `${Buffer.from(json).toString('base64url')}.${Buffer.from(json).toString('base64url')}.AAAA`),
    );
    await fc.assert(
      fc.asyncProperty(strange, fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.anything({ maxDepth: 1 })), async (token, proof) => {
        await isTurnedAway({ token, proof });
        await isTurnedAway({ token: tokens[0]!.token, proof });
        await isTurnedAway(token);
      }),
      { numRuns: 60 },
    );
  });

  test('proofs that were altered', async () => {
    await fc.assert(
      fc.asyncProperty(index, fc.nat({ max: 511 }), async (which, bit) => {
        const { token, proof } = credentialsOf(tokens[which % tokens.length]!, challenge);
        const altered = Uint8Array.from(proof);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        await isTurnedAway({ token, proof: altered });
      }),
      { numRuns: 60 },
    );
  });

  test('nobody who should be let in', async () => {
    for (const holding of tokens)
      await expect(guard.admit(credentialsOf(holding, challenge), challenge)).resolves.toMatchObject({ name: 'user/alice' });
  });
});
