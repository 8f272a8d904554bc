import { messageOf } from '../../base/errors.ts';
import { KuafuError, type ServiceHandlers } from '../../kuafu/contract.ts';
import type { Claim, ClaimAnswer } from '../core/founding.ts';
import type { PeerMessage } from '../core/member/types.ts';
import type { ServerId } from '../core/raft/types.ts';
import type { nuwaPeerService } from '../peer-contract.ts';
import { decodeMessages } from './codec.ts';

/** Where what peers say goes. */
export interface PeerReceiver {
  readonly cluster: string;
  readonly id: ServerId;
  /** Aborts when this server takes part no more. */
  readonly leaving: AbortSignal;
  /** `voter`: what `from` takes this server for. */
  receive(from: ServerId, address: string, messages: readonly PeerMessage[], voter: boolean): void;
  claim(claim: Claim): ClaimAnswer;
  /** From now on this server may vote. */
  consent(): Promise<void>;
}

export function peerHandlers(receiver: PeerReceiver): ServiceHandlers<typeof nuwaPeerService> {
  const assertMeant = (cluster: string, to: string): void => {
    if (cluster === receiver.cluster && to === receiver.id) return;
    throw new KuafuError('InvalidRequest', `this is ${receiver.id} of ${receiver.cluster}, not ${to} of ${cluster}`);
  };
  const assertTakesPart = (): void => {
    if (receiver.leaving.aborted) throw new KuafuError('Unavailable', `${receiver.id} takes part no more`);
  };
  return {
    async deliver({ cluster, from, to, address, messages, voter = false }) {
      assertMeant(cluster, to);
      assertTakesPart();
      let decoded: PeerMessage[];
      try {
        decoded = decodeMessages(messages);
      } catch (error) {
        throw new KuafuError('InvalidRequest', `messages of ${from}: ${messageOf(error)}`);
      }
      receiver.receive(from, address, decoded, voter);
      return {};
    },

    async claim({ cluster, from, to, birth, members }) {
      assertMeant(cluster, to);
      const answer = receiver.claim({ from, birth, members });
      return answer.kind === 'otherGroup' ? { kind: answer.kind, members: [...answer.members] } : answer;
    },

    async consent({ cluster, to }) {
      assertMeant(cluster, to);
      assertTakesPart();
      await receiver.consent();
      return {};
    },

    async attend({ cluster, to }, { signal }) {
      assertMeant(cluster, to);
      assertTakesPart();
      await new Promise<void>((resolve) => {
        for (const until of [signal, receiver.leaving]) until.addEventListener('abort', () => resolve(), { once: true });
      });
      return {};
    },
  };
}
