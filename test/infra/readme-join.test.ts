import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../infra/cluster/ports.ts';
import { type Ended, startFeitian } from './feitian.ts';

/**
 * What infra/README.md tells people who have many machines to type, typed. Machines are addresses of the loopback here and directories below one of our own; a command that stays in
 * the foreground stays until the end; a file is brought to its machine where the text says so. Everything else is as it stands there.
 */
const README = new URL('../../infra/README.md', import.meta.url);
const MACHINES = { '10.77.0.1': '127.0.0.1', '10.77.0.2': '127.0.0.2', '10.77.0.3': '127.0.0.3', '10.77.0.11': '127.0.0.11' };
const PORTS = ['20500', '20700', '2181'];

/** The shell blocks of a numbered step, one list of commands each. */
function blocksOf(readme: string, from: string, to: string): string[][] {
  const begin = readme.indexOf(`\n${from}`);
  const text = readme.slice(begin, readme.indexOf(`\n${to}`, begin));
  expect(text, `${from} … ${to}`).toContain('```sh');
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) =>
    block!
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/ {2,}#.*/, '').trim())
      .filter((line) => line !== ''),
  );
}

/** One machine, in whose shell lines are typed. */
class Shell {
  readonly #env: Record<string, string> = { FEITIAN_LOG_LEVEL: 'info' };
  readonly #put: (text: string) => string;
  readonly #running: ReturnType<typeof startFeitian>[];

  constructor(put: (text: string) => string, running: ReturnType<typeof startFeitian>[]) {
    this.#put = put;
    this.#running = running;
  }

  /** To its end; one that stays, until it is ready. */
  async type(typed: string, stdin: Record<string, string> = {}): Promise<Ended | undefined> {
    const line = this.#put(typed);
    const words = line.split(/\s+/);
    const settings: Record<string, string> = {};
    if (words[0] === 'export') words.shift();
    while (/^[A-Z_]+=/.test(words[0] ?? '')) {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(words.shift()!)!;
      settings[name!] = value!;
    }
    if (words.length === 0) return void Object.assign(this.#env, settings);
    expect(words.slice(0, 2), line).toEqual(['npx', 'feitian']);
    const started = startFeitian(words.slice(2), { ...this.#env, ...settings, ...stdin });
    if (words[2] === 'run') {
      this.#running.push(started);
      await started.said(/"role\.ready"/);
      return undefined;
    }
    const ended = await started.ended;
    expect(ended, line).toMatchObject({ code: 0 });
    return ended;
  }
}

// Other systems have one address on the loopback.
describe.runIf(process.platform === 'linux')('many machines, as infra/README.md tells it', () => {
  let dir: string;
  let readme: string;
  let put: (text: string) => string;
  const running: ReturnType<typeof startFeitian>[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'feitian-readme-'));
    readme = await readFile(README, 'utf8');
    const ports = new Map<string, number>();
    for (const port of PORTS) ports.set(port, await freePort());
    put = (text) => {
      let there = text.replaceAll(/\/(root\/feitian|etc\/feitian|var\/lib\/feitian)/g, (path) => `${dir}${path}`);
      // The longer one first: 10.77.0.1 begins 10.77.0.11.
      for (const [machine, address] of Object.entries(MACHINES).reverse()) there = there.replaceAll(machine, address);
      for (const [port, free] of ports) there = there.replaceAll(`:${port}`, `:${free}`);
      return there;
    };
  });
  afterAll(async () => {
    for (const { child } of running.reverse()) child.kill('SIGTERM');
    await Promise.all(running.map(({ ended }) => ended));
    await rm(dir, { recursive: true, force: true });
  });

  test('keys, an authority, a machine that joins, and Nuwa over TLS', async () => {
    const [roles, environment, authority, token, joining, ...more] = blocksOf(readme, '0. **Keys**', '1. **Postgres and Temporal**');
    expect(more).toEqual([]);
    const first = new Shell(put, running);
    for (const line of roles!) await first.type(line);
    // "bring each to its machine"
    const etc = join(dir, 'etc/feitian');
    const out = join(dir, 'root/feitian/out');
    await mkdir(etc, { recursive: true, mode: 0o700 });
    await copyFile(join(out, 'trust.json'), join(etc, 'trust.json'));
    await copyFile(join(out, 'services/zhongkui.pem'), join(etc, 'zhongkui.pem'));
    await copyFile(join(out, 'services/nuwa/nuwa-1.pem'), join(etc, 'identity.pem'));
    for (const line of environment!) await first.type(line);
    for (const line of authority!) await first.type(line);
    const zhongkui = running[0]!;

    const made = await first.type(token![0]!);
    // On the other machine, with a directory of its own.
    const second = new Shell((line) => put(line).replaceAll(etc, `${etc}-11`), running);
    await second.type(joining![0]!, { FEITIAN_JOIN_TOKEN: made!.stdout.trim() });
    expect(await readFile(`${etc}-11/machine.crt`, 'utf8')).toContain('BEGIN CERTIFICATE');

    // The group, all on this machine, each as itself; "write `tls://` for `tcp://` in what follows".
    const [nuwa] = blocksOf(readme, '2. **Nuwa**', '   **The services**');
    const run = nuwa![0]!.replaceAll('tcp://', 'tls://');
    for (const n of [2, 3]) await copyFile(join(out, `services/nuwa/nuwa-${n}.pem`), join(etc, `nuwa-${n}.pem`));
    await first.type(
      authority!
        .find((line) => line.startsWith('npx feitian key join'))!
        .replace('10.77.0.1 ', '10.77.0.1 --address 10.77.0.2 --address 10.77.0.3 '),
    );
    // A group begins when all of its servers are there.
    const others = [2, 3].map((n) => first.type(`FEITIAN_IDENTITY=/etc/feitian/nuwa-${n}.pem ${otherServer(run, n)}`));
    await Promise.all([first.type(run), ...others]);
    const admin = `FEITIAN_IDENTITY=/root/feitian/keys/admin.pem`;
    const status = await first.type(`${admin} ${nuwa![1]!}`);
    expect(status!.stdout).toMatch(/^nuwa-\d\s+leader/m);
    // It registers by itself, for those that renew.
    await zhongkui.said(/"zhongkui\.registered"/);
  }, 60_000);
});

/** The same on another machine: its own name, address and directory. */
function otherServer(run: string, n: number): string {
  return run
    .replace('--nuwa-id nuwa-1', `--nuwa-id nuwa-${n}`)
    .replace('--data /var/lib/feitian/nuwa-1', `--data /var/lib/feitian/nuwa-${n}`)
    .replace('--listen tls://10.77.0.1', `--listen tls://10.77.0.${n}`)
    .replace('--zookeeper 10.77.0.1', `--zookeeper 10.77.0.${n}`)
    .replace('--metrics 10.77.0.1', `--metrics 10.77.0.${n}`);
}
