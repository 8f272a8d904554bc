import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasCode } from '../../../services/base/errors.ts';
import type { Caller } from '../../../services/kuafu/guard-contract.ts';
import { OPERATIONS } from '../../../services/zhongkui/contract.ts';
import { createGuard } from '../../../services/zhongkui/guard.ts';
import type { Holding } from '../../../services/zhongkui/tokens/delegate.ts';
import { capabilities, childrenOf, localResource, resource } from './arbitraries.ts';
import { challengeOf, credentialsOf, Stage } from './stage.ts';

test('a delegated token never allows what its parent does not: real tokens, before a real guard', async () => {
  const stage = new Stage();
  const guard = createGuard({ cluster: 'local', trust: stage.trust, revocations: stage.revocations, clock: stage.clock });
  const challenge = challengeOf();
  const admit = async (holding: Holding): Promise<Caller> => await guard.admit(credentialsOf(holding, challenge), challenge);
  const family = capabilities().chain((parents) => childrenOf(parents).map((children) => ({ parents, children })));
  let delegated = 0;
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(family, fc.array(fc.oneof(localResource, resource), { minLength: 10 }), async ({ parents, children }, resources) => {
      const parent = await stage.issued({ capabilities: parents });
      let child: Holding;
      try {
        child = await stage.delegated(parent, { capabilities: children });
      } catch (error) {
        expect(hasCode(error, 'TokenWidened')).toBe(true);
        return;
      }
      delegated++;
      const [by, of] = [await admit(parent), await admit(child)];
      for (const name of [...resources, ...children.map((each) => each.resource)])
        for (const operation of OPERATIONS) {
          if (of.refusal(operation, name) !== undefined) continue;
          allowed++;
          if (by.refusal(operation, name) !== undefined) throw new Error(`${operation} ${name} is more than its parent may`);
        }
    }),
    { numRuns: 60 },
  );
  expect(delegated).toBeGreaterThan(10);
  expect(allowed).toBeGreaterThan(40);
});
