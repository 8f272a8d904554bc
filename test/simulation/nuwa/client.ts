import type { Random } from '../../../services/base/random.ts';
import type { ServerId } from '../../../services/nuwa/core/raft/types.ts';
import type { Command, Reply, Write } from '../../../services/nuwa/core/tree/command.ts';
import type { TreeState } from '../../../services/nuwa/core/tree/state.ts';
import { mustHold } from './failure.ts';
import type { Network } from './network.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

export const TTL_MS = 1_500;
const TRY_MS = 400;
const AGAIN_MS = 20;

export interface ClientSurroundings {
  readonly timeline: Timeline;
  readonly network: Network;
  readonly random: Random;
  servers(): readonly SimServer[];
  /** Clients begin nothing new once this is true. */
  readonly ending: boolean;
  readonly clockDrift: number;
  /** When a server first took a session for ended. */
  sessionClosedAtMs(session: string): number | undefined;
}

type WriteBody = Write extends infer W ? (W extends unknown ? Omit<W, 'session' | 'request' | 'settled'> : never) : never;

/**
 * A client as the real one behaves: one server at a time, and another when that one does not answer or cannot; changes sent again under the
 * number they have; a session kept alive every third of its TTL, trusted for two thirds after the last sign of life.
 */
export class SimClient {
  readonly name: string;
  readonly around: ClientSurroundings;
  session = '';
  /** Sessions that ended without this client's wish are counted and replaced. */
  sessions = 0;
  /** When the last keep-alive that was answered had been sent. */
  heardAtMs = 0;
  dead = false;
  #server: ServerId | undefined;
  #request = 0;
  #waiting = 0;
  /** Of each session that was kept alive: when the last sign of life that was answered had been sent. */
  readonly #heard = new Map<string, number>();

  constructor(name: string, around: ClientSurroundings) {
    this.name = name;
    this.around = around;
  }

  /** What depends on the session may go on. */
  get trusted(): boolean {
    return this.session !== '' && this.around.timeline.nowMs < this.heardAtMs + (TTL_MS * 2) / 3;
  }

  /** Something that it asked for is not answered yet. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** No session ended within its TTL after a sign of life that was answered, as far apart as clocks may run. */
  checkSessions(): void {
    for (const [session, heardAtMs] of this.#heard) {
      const closedAtMs = this.around.sessionClosedAtMs(session);
      const earliestMs = heardAtMs + TTL_MS * (1 - this.around.clockDrift);
      mustHold(
        closedAtMs === undefined || closedAtMs >= earliestMs,
        'session life',
        () => `${session} was heard of at ${heardAtMs} ms and closed at ${closedAtMs} ms`,
      );
    }
  }

  /** Opens a session, a new one when the last expired, and keeps it. */
  open(then: () => void): void {
    const session = `${this.name}.${++this.sessions}`;
    const atMs = this.around.timeline.nowMs;
    this.#submit({ kind: 'openSession', session, ttlMs: TTL_MS, creator: this.name }, () => {
      this.session = session;
      this.heardAtMs = atMs;
      this.#heard.set(session, atMs);
      this.#request = 0;
      this.#keepAlive(session);
      then();
    });
  }

  /** Dies: nothing more comes from it. */
  die(): void {
    this.dead = true;
  }

  /** `tries`: how often it was sent. */
  write(body: WriteBody, then: (reply: Reply, tries: number) => void): void {
    const request = ++this.#request;
    this.#submit({ ...body, session: this.session, request, settled: request } as Write, then);
  }

  /** Looks at a tree, linearizably. */
  read<T>(look: (state: TreeState) => T, then: (seen: T, tries: number) => void): void {
    this.#attempt<{ seen: T }>(
      (server, answer) => server.read((ok) => answer(ok && server.member ? { seen: look(server.member.state) } : undefined)),
      ({ seen }, tries) => then(seen, tries),
    );
  }

  /** Looks at the next server as it is. */
  peek<T>(look: (server: SimServer) => T | undefined, then: (seen: T) => void): void {
    this.#attempt<T>((server, answer) => answer(look(server)), then);
  }

  after(ms: number, then: () => void): void {
    this.around.timeline.after(ms, () => {
      if (!this.dead) then();
    });
  }

  #submit(command: Command, then: (reply: Reply, tries: number) => void): void {
    this.#attempt<Reply>((server, answer) => server.submit(command, answer), then);
  }

  #keepAlive(session: string): void {
    this.after(TTL_MS / 3, () => {
      if (session !== this.session) return;
      const sentAtMs = this.around.timeline.nowMs;
      let answered = false;
      // A keep-alive that is not answered in time is followed by the next, at another server.
      const again = (): void => {
        if (answered) return;
        answered = true;
        this.#keepAlive(session);
      };
      this.#once(
        this.#pick(false),
        (server, answer: (lives: boolean | undefined) => void) => server.keepAlive(session, answer),
        (lives) => {
          if (session !== this.session) return;
          if (lives === false) this.session = '';
          else if (lives) {
            this.heardAtMs = Math.max(this.heardAtMs, sentAtMs);
            this.#heard.set(session, this.heardAtMs);
          }
          if (lives !== false) {
            if (lives === undefined) this.#pick(true);
            again();
          }
        },
      );
      this.after(TTL_MS / 6, () => {
        if (!answered) this.#pick(true);
        again();
      });
    });
  }

  #attempt<Answer>(
    ask: (server: SimServer, answer: (answer: Answer | undefined) => void) => void,
    then: (answer: Answer, tries: number) => void,
  ): void {
    let settled = false;
    let tries = 0;
    this.#waiting++;
    const attempt = (elsewhere: boolean): void => {
      if (settled || this.dead) return;
      const mine = ++tries;
      this.#once(this.#pick(elsewhere), ask, (answer) => {
        if (settled) return;
        if (answer !== undefined) {
          settled = true;
          this.#waiting--;
          then(answer, tries);
        } else if (mine === tries) this.after(AGAIN_MS, () => attempt(true));
      });
      this.after(TRY_MS, () => {
        if (mine === tries) attempt(true);
      });
    };
    attempt(false);
  }

  /** One question and at most a few copies of one answer, over the network. */
  #once<Answer>(id: ServerId, ask: (server: SimServer, answer: (answer: Answer) => void) => void, then: (answer: Answer) => void): void {
    const { network } = this.around;
    network.send(this.name, id, () => {
      const server = this.around.servers().find((each) => each.id === id);
      server?.hear(() =>
        ask(server, (answer) => {
          network.send(id, this.name, () => {
            if (!this.dead) then(answer);
          });
        }),
      );
    });
  }

  #pick(elsewhere: boolean): ServerId {
    const servers = this.around.servers();
    if (!elsewhere && this.#server !== undefined && servers.some(({ id }) => id === this.#server)) return this.#server;
    const ids = servers.map(({ id }) => id);
    const others = elsewhere && ids.length > 1 ? ids.filter((id) => id !== this.#server) : ids;
    this.#server = others[this.around.random.int(others.length)]!;
    return this.#server;
  }
}
