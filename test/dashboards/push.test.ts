import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SETTINGS } from '../../dashboards/board.ts';
import { DASHBOARDS } from '../../dashboards/index.ts';
import { DATASOURCE } from '../../dashboards/panels.ts';
import { pushDashboards } from '../../dashboards/push.ts';
import { isFree } from '../../infra/cluster/ports.ts';
import { runProgram } from '../../infra/setup/run-program.ts';

/**
 * The part of Grafana's HTTP API that a push speaks to, as its reference tells it: what lacks credentials is 401, what is not there is 404, a folder
 * or data source that is there cannot be made again, and a dashboard that is there is replaced only with `overwrite`.
 */
class GrafanaFace {
  readonly folders = new Map<string, { title: string }>();
  readonly sources = new Map<string, { url: string }>();
  readonly dashboards = new Map<string, { title: string; panels: object[]; folderUid: string; version: number }>();
  readonly asked: string[] = [];
  /** Answers in place of all others. */
  always: { status: number; body: string; type?: string } | undefined;
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  close = (): Promise<void> => new Promise((resolve) => this.#server.close(() => resolve()));

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { status, body, type } = this.always ?? this.#route(request, text === '' ? undefined : JSON.parse(text));
    response.writeHead(status, { 'content-type': type ?? 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of several kinds, each looked at below
  #route({ method, url = '', headers }: IncomingMessage, body: any): { status: number; body: object | string; type?: string } {
    this.asked.push(`${method} ${url}`);
    const allowed = ['Bearer right', `Basic ${Buffer.from('admin:secret').toString('base64')}`];
    if (!allowed.includes(headers.authorization ?? '')) return { status: 401, body: { message: 'Unauthorized' } };
    const [, kind, uid] = /^\/api\/(folders|datasources\/uid)\/([^/]+)$/.exec(url) ?? [];
    if (kind) {
      const found = kind === 'folders' ? this.folders : this.sources;
      if (!found.has(uid!)) return { status: 404, body: { message: 'not found' } };
      if (method === 'PUT') this.sources.set(uid!, body);
      return { status: 200, body: found.get(uid!)! };
    }
    const made = { '/api/folders': this.folders, '/api/datasources': this.sources }[url] as Map<string, object> | undefined;
    if (method === 'POST' && made) {
      if (made.has(body.uid)) return { status: 409, body: { message: 'it is there' } };
      made.set(body.uid, body);
      return { status: 200, body };
    }
    if (method === 'POST' && url === '/api/dashboards/db') return this.#save(body);
    return { status: 404, body: { message: 'Not found' } };
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  #save({ dashboard, folderUid, overwrite }: any): { status: number; body: object } {
    if (dashboard.id !== null) return { status: 404, body: { message: 'Dashboard not found' } };
    if (!this.folders.has(folderUid)) return { status: 400, body: { message: 'folder not found' } };
    const before = this.dashboards.get(dashboard.uid);
    if (before && !overwrite) return { status: 412, body: { status: 'version-mismatch', message: 'changed by someone else' } };
    this.dashboards.set(dashboard.uid, { ...dashboard, folderUid, version: (before?.version ?? 0) + 1 });
    return { status: 200, body: { uid: dashboard.uid, url: `/d/${dashboard.uid}/it` } };
  }
}

const built = DASHBOARDS.map((build) => build(SETTINGS));

describe('a push of the dashboards', () => {
  let grafana: GrafanaFace;
  let url: string;
  beforeEach(async () => {
    grafana = new GrafanaFace();
    url = await grafana.listen();
  });
  afterEach(() => grafana.close());

  it('makes the folder, the data source and every dashboard, and tells where they are', async () => {
    const addresses = await pushDashboards({ url, token: 'right' }, built, 'http://prometheus.test:9090');
    expect(addresses).toContain(`${url}/d/feitian-overview/it`);
    expect(grafana.folders.get('feitian')).toMatchObject({ title: 'Feitian' });
    expect(grafana.sources.get(DATASOURCE.uid)).toMatchObject({ type: 'prometheus', url: 'http://prometheus.test:9090', access: 'proxy' });
    expect([...grafana.dashboards.keys()]).toEqual(built.map(({ uid }) => uid));
    for (const { folderUid, panels } of grafana.dashboards.values()) expect([folderUid, panels.length > 0]).toEqual(['feitian', true]);
  });

  it('done again changes what is there, also the address of Prometheus', async () => {
    await pushDashboards({ url, token: 'right' }, built, 'http://old.test');
    await pushDashboards({ url: `${url}/`, user: 'admin:secret' }, built, 'http://new.test');
    expect(grafana.sources.get(DATASOURCE.uid)).toMatchObject({ url: 'http://new.test' });
    expect([...grafana.dashboards.values()].map(({ version }) => version)).toEqual(built.map(() => 2));
  });

  it.each([
    ['a token that is wrong', { token: 'wrong' }, undefined, /--token.*401 Unauthorized/],
    ['no credentials', {}, undefined, /--user.*GET \/api\/folders\/feitian: 401/],
    [
      'a role that may not',
      { token: 'right' },
      { status: 403, body: '{"message":"Access denied"}' },
      /need the role Admin.*403 Access denied/,
    ],
    [
      'a dashboard that may not be replaced',
      { token: 'right' },
      { status: 412, body: '{"message":"same name"}' },
      /may not be replaced.*412 same name/,
    ],
    ['a Grafana that fails', { token: 'right' }, { status: 500, body: '{"message":"database is locked"}' }, /failed.*database is locked/],
    ['something that is not Grafana', { token: 'right' }, { status: 200, body: '<html>', type: 'text/html' }, /is not Grafana's HTTP API/],
  ])('says what to do about %s', async (_, who, always, message) => {
    grafana.always = always;
    await expect(pushDashboards({ url, ...who }, built, 'http://p')).rejects.toThrow(message);
    expect(grafana.dashboards.size).toBe(0);
  });

  it('says so when nobody answers', async () => {
    await grafana.close();
    const port = Number(new URL(url).port);
    expect(await isFree(port)).toBe(true);
    await expect(pushDashboards({ url, token: 'right' }, built, 'http://p')).rejects.toThrow(`no Grafana answers at ${url}: ECONNREFUSED`);
    await grafana.listen(); // for afterEach
  });

  it('is an option of the command, with exit code 1 and one line when it fails', async () => {
    const run = (...args: string[]) =>
      runProgram(process.execPath, ['--import', 'tsx', 'dashboards/main.ts', '--push', url, ...args], { timeoutMs: 60_000 });
    const { stdout } = await run('--token', 'right', '--temporal-ui', 'http://ui.test');
    expect(stdout.trim().split('\n')).toHaveLength(built.length);
    expect(JSON.stringify(grafana.dashboards.get('feitian-dayu'))).toContain('http://ui.test');
    const failure = await run('--token', 'wrong').catch((error: Error) => error);
    expect((failure as Error).message).toMatch(/^Grafana does not know who asks: [^\n]*$/);
  });
});
