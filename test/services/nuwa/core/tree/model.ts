import { type Acl, type NodeStat, OPEN_ACL, PERMISSIONS } from '../../../../../services/nuwa/contract.ts';
import type {
  Change,
  Check,
  Command,
  Create,
  Delete,
  Reap,
  RequestId,
  SetAcl,
  SetValue,
  Transaction,
} from '../../../../../services/nuwa/core/tree/command.ts';
import { parsePath } from '../../../../../services/nuwa/core/tree/path.ts';

export interface ModelNode {
  value: string;
  version: number;
  creator: string;
  owner?: string;
  container?: boolean;
  ttlMs?: number;
  acl: Acl;
  aclVersion: number;
  made: number;
  changed: number;
  madeAtMs: number;
  changedAtMs: number;
  counter: number;
  childVersion: number;
  childRevision: number;
}

const textOf = (value: Uint8Array): string => new TextDecoder().decode(value);
const above = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));

/**
 * What the tree does, said as plainly as possible: one flat map from path to node, everything found by looking at all of it, and a
 * transaction tried out on a copy. Answers are texts, so that comparing is comparing texts.
 */
export class TreeModel {
  nodes = new Map<string, ModelNode>();
  readonly sessions = new Map<string, string>();
  readonly answers = new Map<string, string>();
  revision = 0;
  events: string[] = [];
  #nowMs = 0;

  constructor() {
    this.#add('/', '', { creator: '' });
    this.revision = 0;
    Object.assign(this.nodes.get('/')!, { made: 0, changed: 0, childRevision: 0 });
  }

  apply(command: Command, nowMs: number): { answer: string; events: string[] } {
    this.events = [];
    this.#nowMs = nowMs;
    const answer = this.#answer(command);
    return { answer, events: this.events };
  }

  /** Paths of what may go by itself. */
  due(nowMs: number): string[] {
    return [...this.nodes.keys()].filter((path) => this.#mayGo(path, nowMs)).sort();
  }

  stat(path: string): NodeStat {
    const node = this.nodes.get(path)!;
    return {
      createRevision: node.made,
      modifyRevision: node.changed,
      createdAtMs: node.madeAtMs,
      modifiedAtMs: node.changedAtMs,
      version: node.version,
      childVersion: node.childVersion,
      childRevision: node.childRevision,
      aclVersion: node.aclVersion,
      ephemeralOwner: node.owner,
      valueBytes: new TextEncoder().encode(node.value).length,
      childCount: this.#children(path).length,
    };
  }

  #answer(command: Command): string {
    if (command.kind === 'openSession') {
      if (!this.sessions.has(command.session)) {
        this.sessions.set(command.session, command.creator);
        // A session that is opened again after it was closed begins without a past.
        for (const key of this.answers.keys()) if (key.startsWith(`${command.session} `)) this.answers.delete(key);
      }
      return `done @${this.revision}`;
    }
    if (command.kind === 'closeSession') {
      this.sessions.delete(command.session);
      const owned = [...this.nodes].filter(([, node]) => node.owner === command.session).map(([path]) => path);
      for (const path of owned.sort()) this.#remove(path);
      return `done @${this.revision}`;
    }
    if (command.kind === 'reap') return this.#reap(command);
    if (!this.sessions.has(command.session)) return `NoSession @${this.revision}`;
    const key = `${command.session} ${command.request}`;
    const known = command.request === 0 ? undefined : this.answers.get(key);
    if (known !== undefined) return known;
    const answer = command.kind === 'transaction' ? this.#transaction(command, command) : this.#plain(command);
    if (command.request !== 0) this.answers.set(key, answer);
    return answer;
  }

  #plain(command: RequestId & Change): string {
    const told = this.#change(command, command);
    return told.startsWith('done') ? told.replace('done', `done @${this.revision}`) : `${told} @${this.revision}`;
  }

  #transaction({ operations }: Transaction, by: RequestId): string {
    const { nodes, revision } = this;
    this.nodes = new Map([...nodes].map(([path, node]) => [path, { ...node }]));
    const results: string[] = [];
    for (const [i, operation] of operations.entries()) {
      const told = operation.kind === 'check' ? this.#check(operation, by) : this.#change(operation, by);
      if (told.startsWith('done')) {
        results.push(told);
        continue;
      }
      Object.assign(this, { nodes, revision, events: [] });
      return `${told} @${revision} #${i}`;
    }
    return `done @${this.revision} [${results.join('; ')}]`;
  }

  #change(change: Change, by: RequestId): string {
    switch (change.kind) {
      case 'create':
        return this.#create(change, by);
      case 'set':
        return this.#set(change, by);
      case 'delete':
        return this.#delete(change, by);
      case 'setAcl':
        return this.#setAcl(change, by);
    }
  }

  #create(command: Create, by: RequestId): string {
    const { ephemeral, sequential, replace, container, ttlMs } = command;
    if ((ephemeral && (container || ttlMs)) || (container && ttlMs) || (sequential && replace)) return 'BadArguments';
    if (command.acl && badAcl(command.acl)) return 'InvalidAcl';
    const path = sequential ? `${command.path}0000000000` : command.path;
    if (parsePath(path).problem) return 'BadPath';
    if (path === '/') return 'NodeExists';
    const parents: string[] = ['/'];
    for (let i = path.indexOf('/', 1); i !== -1; i = path.indexOf('/', i + 1)) parents.push(path.slice(0, i));
    if (parents.some((parent) => this.nodes.get(parent)?.owner)) return 'EphemeralChild';
    const missing = parents.filter((parent) => !this.nodes.has(parent));
    if (missing.length > 0 && !command.parents) return 'NoNode';
    const lowest = parents[parents.length - missing.length - 1]!;
    if (!this.#may(lowest, PERMISSIONS.create, by)) return 'NoAuth';
    const parent = parents.at(-1)!;
    const creator = this.sessions.get(by.session)!;
    let full = path;
    if (sequential) {
      let counter = this.nodes.get(parent)?.counter ?? 0;
      do full = path.slice(0, -10) + String(counter++).padStart(10, '0');
      while (this.nodes.has(full));
      for (const path of missing) this.#add(path, '', { creator });
      this.nodes.get(parent)!.counter = counter;
    } else {
      const there = this.nodes.get(path);
      if (there && !(replace && there.owner)) return 'NodeExists';
      if (there && !this.#may(lowest, PERMISSIONS.delete, by)) return 'NoAuth';
      if (there) this.#remove(path);
      for (const path of missing) this.#add(path, '', { creator });
    }
    const owner = ephemeral ? by.session : undefined;
    const acl = command.acl && withoutRepeats(command.acl);
    this.#add(full, textOf(command.value), { creator, owner, container: container || undefined, ttlMs, acl: acl ?? OPEN_ACL });
    return this.#done(full, by, full);
  }

  #set(command: SetValue, by: RequestId): string {
    const wrong = this.#wrong(command, by, PERMISSIONS.write, 'BadVersion');
    if (wrong) return wrong;
    const node = this.nodes.get(command.path)!;
    node.value = textOf(command.value);
    node.version++;
    node.changed = ++this.revision;
    node.changedAtMs = this.#nowMs;
    this.events.push(`changed ${command.path}@${this.revision}`);
    return this.#done(`v${node.version}`, by, command.path);
  }

  #setAcl(command: SetAcl, by: RequestId): string {
    if (badAcl(command.acl)) return 'InvalidAcl';
    const wrong = this.#wrong({ path: command.path }, by, PERMISSIONS.admin, 'BadVersion');
    if (wrong) return wrong;
    const node = this.nodes.get(command.path)!;
    if (command.aclVersion !== undefined && command.aclVersion !== node.aclVersion) return 'BadVersion';
    node.acl = withoutRepeats(command.acl);
    node.aclVersion++;
    return this.#done(`v${node.aclVersion}`, by, command.path);
  }

  #delete(command: Delete, by: RequestId): string {
    const { path, recursive } = command;
    if (path === '/' || parsePath(path).problem) return 'BadPath';
    if (!this.nodes.has(path)) return 'NoNode';
    if (!this.#may(above(path), PERMISSIONS.delete, by)) return 'NoAuth';
    const tree = [path, ...[...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`))];
    if (recursive && tree.some((each) => this.#children(each).length > 0 && !this.#may(each, PERMISSIONS.delete, by))) return 'NoAuth';
    const wrong = this.#wrong(command, {}, 0, 'BadVersion');
    if (wrong) return wrong;
    if (tree.length > 1 && !recursive) return 'NotEmpty';
    this.#removeTree(path);
    return 'done';
  }

  #check(command: Check, by: RequestId): string {
    const { path, absent, version, createRevision } = command;
    if (absent && (version !== undefined || createRevision !== undefined)) return 'BadArguments';
    if (parsePath(path).problem) return 'BadPath';
    if (!this.nodes.has(path)) return absent ? 'done' : 'Conflict NoNode';
    if (!this.#may(path, PERMISSIONS.read, by)) return 'NoAuth';
    if (absent) return 'Conflict NodeExists';
    return this.#wrong(command, {}, 0, 'Conflict BadVersion') ?? 'done';
  }

  #reap({ path, createRevision, modifyRevision }: Reap): string {
    const node = this.nodes.get(path);
    if (node && node.made === createRevision && (node.container || node.changed === modifyRevision) && this.#mayGo(path, this.#nowMs))
      this.#remove(path);
    return `done @${this.revision}`;
  }

  #wrong(
    guarded: { path: string; version?: number; createRevision?: number },
    by: Partial<RequestId>,
    permission: number,
    other: string,
  ): string | undefined {
    const { path, version, createRevision } = guarded;
    if (parsePath(path).problem) return 'BadPath';
    const node = this.nodes.get(path);
    if (!node) return 'NoNode';
    if (!this.#may(path, permission, by)) return 'NoAuth';
    if (version !== undefined && version !== node.version) return other;
    if (createRevision !== undefined && createRevision !== node.made) return other;
    return undefined;
  }

  #may(path: string, permission: number, { identities }: Partial<RequestId>): boolean {
    if (!identities) return true;
    const shown = ['world:anyone', ...identities];
    return this.nodes.get(path)!.acl.some((each) => each.permissions & permission && shown.includes(`${each.scheme}:${each.id}`));
  }

  #mayGo(path: string, nowMs: number): boolean {
    const node = this.nodes.get(path)!;
    if (this.#children(path).length > 0) return false;
    if (node.ttlMs !== undefined) return node.changedAtMs + node.ttlMs <= nowMs;
    return node.container === true && (node.childVersion > 0 || node.madeAtMs + 60_000 <= nowMs);
  }

  #children(path: string): string[] {
    return [...this.nodes.keys()].filter((other) => other !== '/' && above(other) === path);
  }

  #done(what: string, by: RequestId, path: string): string {
    return `done ${what}${by.wantStat ? ` ${statText(this.stat(path))}` : ''}`;
  }

  #add(path: string, value: string, given: Partial<ModelNode>): void {
    const revision = ++this.revision;
    const at = { madeAtMs: this.#nowMs, changedAtMs: this.#nowMs };
    const fresh = { version: 0, aclVersion: 0, counter: 0, childVersion: 0, childRevision: revision, acl: OPEN_ACL, creator: '' };
    this.nodes.set(path, { value, made: revision, changed: revision, ...fresh, ...at, ...given });
    this.#tellParent(path);
    this.events.push(`created ${path}@${revision}`);
  }

  #removeTree(path: string): void {
    for (const child of this.#children(path).sort()) this.#removeTree(child);
    this.#remove(path);
  }

  #remove(path: string): void {
    this.nodes.delete(path);
    this.events.push(`deleted ${path}@${++this.revision}`);
    this.#tellParent(path);
  }

  #tellParent(path: string): void {
    const parent = path === '/' ? undefined : this.nodes.get(above(path));
    if (!parent) return;
    parent.childVersion++;
    parent.childRevision = this.revision;
  }
}

export function statText(stat: NodeStat): string {
  const { createRevision, modifyRevision, createdAtMs, modifiedAtMs, version, childVersion, childRevision, aclVersion } = stat;
  const numbers = [createRevision, modifyRevision, createdAtMs, modifiedAtMs, version, childVersion, childRevision, aclVersion];
  return [...numbers, stat.ephemeralOwner ?? '-', stat.valueBytes, stat.childCount].join(' ');
}

function badAcl(acl: Acl): boolean {
  return acl.length === 0 || acl.some(({ scheme }) => scheme !== 'world' && scheme !== 'digest');
}

function withoutRepeats(acl: Acl): Acl {
  return acl.filter((entry, i) => acl.findIndex((other) => JSON.stringify(other) === JSON.stringify(entry)) === i);
}
