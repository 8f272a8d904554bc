import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { createKuafuClient } from '../../kuafu/client.ts';
import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import type { PeerMessage } from '../core/member/types.ts';
import type { GroupConfig, ServerId } from '../core/raft/types.ts';
import { nuwaPeerService } from '../peer-contract.ts';
import { Link } from './link.ts';

/** A server, and what each call to it says of both. */
export interface Peer {
  service: ServiceClient<typeof nuwaPeerService>;
  between: { cluster: string; from: ServerId; to: ServerId };
}

/** Far more than a group has members: whoever makes up names must not fill the memory. */
const LINKS_MAX = 32;

/**
 * The ways to all peers. A peer's address is the one it last spoke from: it may have moved, and the group hears of that through it; or it may
 * speak to a server that knows of no group yet. Where it did not speak, the group's configuration says it.
 */
export class Links {
  readonly #options: {
    cluster: string;
    id: ServerId;
    ownAddress: string;
    clock: Clock;
    identity?: Identity;
    log: Logger;
    onLost: (peer: ServerId) => void;
  };
  readonly kuafu: KuafuClient;
  readonly #links = new Map<ServerId, Link>();
  readonly #heard = new Map<ServerId, string>();
  #configured = new Map<ServerId, string>();
  #voters = new Set<ServerId>();
  #closed = false;

  constructor(options: {
    cluster: string;
    id: ServerId;
    ownAddress: string;
    clock: Clock;
    identity?: Identity;
    log: Logger;
    onLost: (peer: ServerId) => void;
  }) {
    this.#options = options;
    this.kuafu = createKuafuClient({ identity: options.identity, log: options.log });
  }

  addressOf(id: ServerId): string | undefined {
    return this.#heard.get(id) ?? this.#configured.get(id);
  }

  peer(to: ServerId): Peer | undefined {
    const address = this.addressOf(to);
    const { cluster, id: from } = this.#options;
    return address === undefined ? undefined : { service: this.kuafu.service(nuwaPeerService, address), between: { cluster, from, to } };
  }

  isUp(id: ServerId): boolean {
    return this.#links.get(id)?.up === true;
  }

  configure({ members }: GroupConfig): void {
    const before = this.#configured;
    this.#voters = new Set(members.filter(({ role }) => role === 'voter').map(({ id }) => id));
    this.#configured = new Map(members.filter(({ id }) => id !== this.#options.id).map(({ id, address }) => [id, address]));
    for (const [id, address] of this.#configured) {
      if (before.get(id) !== address) this.#heard.delete(id);
      this.#link(id);
    }
    for (const [id, link] of this.#links) {
      if (this.#configured.has(id) || this.#heard.has(id)) continue;
      link.close();
      this.#links.delete(id);
    }
    // One that was removed may have to hear that it was; it is forgotten when the group changes next.
    for (const id of before.keys()) if (!this.#configured.has(id)) this.#heard.delete(id);
  }

  heard(from: ServerId, address: string): void {
    if (this.#heard.get(from) === address) return;
    if (this.#links.size >= LINKS_MAX && !this.#configured.has(from)) return;
    this.#heard.set(from, address);
    this.#link(from);
  }

  send(to: ServerId, message: PeerMessage): void {
    this.#link(to)?.send(message);
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const link of this.#links.values()) link.close();
    await this.kuafu.close();
  }

  #link(id: ServerId): Link | undefined {
    const address = this.addressOf(id);
    const link = this.#links.get(id);
    if (address === undefined || this.#closed || link?.address === address) return link;
    link?.close();
    const { cluster, id: from, ownAddress, clock, log, onLost } = this.#options;
    const isVoter = (): boolean => this.#voters.has(id);
    try {
      const made = new Link({ cluster, from, ownAddress, to: id, isVoter, address, kuafu: this.kuafu, clock, log, onLost });
      this.#links.set(id, made);
      return made;
    } catch (error) {
      // An address that is none came from somebody else; this server goes on without a way there.
      this.#links.delete(id);
      log.error({ err: error, to: id, address }, 'nuwa.peer.bad-address');
      return undefined;
    }
  }
}
