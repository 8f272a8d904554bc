import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RemoteProxy } from '../../../../services/kuafu/core/proxy-route.ts';
import type { FromProxy, ToProxy } from './proxy-process.ts';

/** Machines on one: each has a host of its own within 127.0.0.0/8, and a proxy in a process of its own. */
export class Machines {
  readonly #directory = mkdtempSync(join(tmpdir(), 'kuafu-proxy-'));
  readonly all: Machine[];

  constructor(count: number) {
    this.all = Array.from({ length: count }, (_, i) => new Machine(`m${i}`, `127.0.1.${i + 1}`, join(this.#directory, `m${i}.sock`)));
  }

  async start(): Promise<this> {
    await Promise.all(this.all.map((machine) => machine.startProxy()));
    await this.introduce();
    return this;
  }

  /** Tells all proxies of each other. */
  async introduce(registered: readonly Machine[] = this.all): Promise<void> {
    const running = this.all.filter((machine) => machine.running);
    const proxies = registered.map((machine) => machine.asRemote());
    await Promise.all(running.map((machine) => machine.ask({ others: proxies.filter(({ machine: name }) => name !== machine.name) })));
  }

  close(): void {
    for (const machine of this.all) machine.kill();
    rmSync(this.#directory, { recursive: true });
  }
}

export class Machine {
  readonly name: string;
  readonly host: string;
  /** What clients on this machine go through. */
  readonly proxy: string;
  #child: ChildProcess | undefined;
  #address = '';

  constructor(name: string, host: string, path: string) {
    this.name = name;
    this.host = host;
    this.proxy = `unix://${path}`;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  asRemote(): RemoteProxy {
    return { machine: this.name, address: this.#address, hosts: [this.host] };
  }

  async startProxy(): Promise<void> {
    const args = [this.host, this.proxy, `tcp://${this.host}:0`];
    this.#child = fork(new URL('proxy-process.ts', import.meta.url), args, { execArgv: ['--import', 'tsx'] });
    const [{ address }] = (await once(this.#child, 'message')) as [{ address: string }];
    this.#address = address;
  }

  async ask<Answer extends FromProxy>(message: ToProxy): Promise<Answer> {
    const answer = once(this.#child!, 'message');
    this.#child!.send(message);
    return ((await answer) as [Answer])[0];
  }

  count(): Promise<Extract<FromProxy, { channels: number }>> {
    return this.ask({ count: true });
  }

  /** As an operator stops it. */
  async stopProxy(): Promise<void> {
    const child = this.#child!;
    this.#child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  async killProxy(): Promise<void> {
    const child = this.#child!;
    const exited = once(child, 'exit');
    this.kill();
    await exited;
  }

  /** It stands still, or goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child!.kill(signal);
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}
