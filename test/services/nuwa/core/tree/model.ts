import type { Command, Create, Delete, RequestId, SetValue } from '../../../../../services/nuwa/core/tree/command.ts';
import { parsePath } from '../../../../../services/nuwa/core/tree/path.ts';

interface ModelNode {
  value: string;
  version: number;
  owner?: string;
  made: number;
  changed: number;
  counter: number;
}

/**
 * What the tree does, said as plainly as possible: one flat map from path to node, everything found by looking at all of it.
 * Answers are texts, so that comparing is comparing texts.
 */
export class TreeModel {
  readonly nodes = new Map<string, ModelNode>([['/', { value: '', version: 0, made: 0, changed: 0, counter: 0 }]]);
  readonly sessions = new Set<string>();
  readonly answers = new Map<string, string>();
  revision = 0;
  events: string[] = [];

  apply(command: Command): { answer: string; events: string[] } {
    this.events = [];
    const answer = this.#answer(command);
    return { answer, events: this.events };
  }

  dump(): string[] {
    return [...this.nodes].map(([path, n]) => `${path} ${n.value} v${n.version} @${n.made}/${n.changed} ${n.owner ?? ''}`).sort();
  }

  #answer(command: Command): string {
    if (command.kind === 'openSession') {
      this.sessions.add(command.session);
      return `done @${this.revision}`;
    }
    if (command.kind === 'closeSession') {
      this.sessions.delete(command.session);
      const owned = [...this.nodes].filter(([, node]) => node.owner === command.session).map(([path]) => path);
      for (const path of owned.sort()) this.#remove(path);
      return `done @${this.revision}`;
    }
    if (command.kind === 'reap' || command.kind === 'transaction' || command.kind === 'setAcl') return 'unknown';
    if (!this.sessions.has(command.session)) return 'NoSession';
    const key = `${command.session} ${command.request}`;
    const known = this.answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#change(command);
    this.answers.set(key, answer);
    return answer;
  }

  #change(command: RequestId & (Create | SetValue | Delete)): string {
    if (command.kind === 'create' && command.sequential && command.replace) return 'BadArguments';
    const path = command.kind === 'create' && command.sequential ? `${command.path}0000000000` : command.path;
    if (parsePath(path).problem || (path === '/' && command.kind === 'delete')) return 'BadPath';
    const node = this.nodes.get(path);
    if (command.kind === 'set' || command.kind === 'delete') {
      if (!node) return 'NoNode';
      if (command.version !== undefined && command.version !== node.version) return 'BadVersion';
      if (command.createRevision !== undefined && command.createRevision !== node.made) return 'BadVersion';
      if (command.kind === 'set') {
        node.value = new TextDecoder().decode(command.value);
        node.version++;
        node.changed = ++this.revision;
        this.events.push(`changed ${path}@${this.revision}`);
        return `done @${this.revision} v${node.version}`;
      }
      const below = [...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`));
      if (below.length > 0 && !command.recursive) return 'NotEmpty';
      this.#removeTree(path);
      return `done @${this.revision}`;
    }
    if (path === '/') return 'NodeExists';
    const parents: string[] = [];
    for (let i = path.indexOf('/', 1); i !== -1; i = path.indexOf('/', i + 1)) parents.push(path.slice(0, i));
    if (parents.some((parent) => this.nodes.get(parent)?.owner)) return 'EphemeralChild';
    const missing = parents.filter((parent) => !this.nodes.has(parent));
    if (missing.length > 0 && !command.parents) return 'NoNode';
    const parent = parents.at(-1) ?? '/';
    let full = path;
    if (command.sequential) {
      let counter = this.nodes.get(parent)?.counter ?? 0;
      do full = path.slice(0, -10) + String(counter++).padStart(10, '0');
      while (this.nodes.has(full));
      for (const path of missing) this.#add(path, '');
      this.nodes.get(parent)!.counter = counter;
    } else {
      if (node && !(command.replace && node.owner)) return 'NodeExists';
      if (node) this.#remove(path);
      for (const path of missing) this.#add(path, '');
    }
    this.#add(full, new TextDecoder().decode(command.value), command.ephemeral ? command.session : undefined);
    return `done @${this.revision} ${full}`;
  }

  #add(path: string, value: string, owner?: string): void {
    const revision = ++this.revision;
    this.nodes.set(path, { value, version: 0, owner, made: revision, changed: revision, counter: 0 });
    this.events.push(`created ${path}@${revision}`);
  }

  #removeTree(path: string): void {
    const depth = path.split('/').length;
    const children = [...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`) && other.split('/').length === depth + 1);
    for (const child of children.sort()) this.#removeTree(child);
    this.#remove(path);
  }

  #remove(path: string): void {
    this.nodes.delete(path);
    this.events.push(`deleted ${path}@${++this.revision}`);
  }
}
