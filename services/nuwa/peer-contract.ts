import { z } from 'zod';
import { defineService, method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { NuwaError } from './contract.ts';

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

/** Who calls whom: a server that took over another's port refuses what is meant for that one. */
const between = { cluster: z.string(), from: z.string(), to: z.string() };

const PEER = { operation: 'peer', on: wholeOf('nuwa') } as const;

/** Between the servers of one group; `messages` are encoded PeerMessages (core/member/types.ts, peer/codec.ts). */
export const nuwaPeerService = defineService('nuwaPeer', {
  errors: NuwaError,
  methods: {
    /** Lost, late, twice: all of it is allowed, as on any network. The reply says only that they were read. `address`: where `from` answers. `voter`: it takes `to` for one. */
    deliver: method({
      request: z.object({ ...between, address: z.string(), voter: z.boolean().optional(), messages: bytes }),
      response: z.object({}),
      idempotent: false,
      access: PEER,
    }),
    /** May this birth of `from` vote (core/founding.ts)? */
    claim: method({
      request: z.object({ ...between, birth: z.string().min(1).max(64), members: z.array(z.string()).max(64) }),
      response: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('known'), birth: z.string() }),
        z.object({ kind: z.literal('taken') }),
        z.object({ kind: z.literal('otherGroup'), members: z.array(z.string()) }),
      ]),
      idempotent: false,
      access: PEER,
    }),
    /** Of the leader to a learner that it is about to promote: from now on that one may vote, and knows it after a restart. */
    consent: method({ request: z.object(between), response: z.object({}), idempotent: true, access: PEER }),
    /** Answers when this server stops; so whoever called hears at once when it stops or dies. */
    attend: method({ request: z.object(between), response: z.object({}), idempotent: false, access: PEER }),
  },
});
