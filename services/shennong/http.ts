import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { reachableHost } from '../base/reachable-host.ts';

/** Small HTTP: one function for each method and path, a text or JSON as the answer. */
export interface HttpRequest {
  query: URLSearchParams;
  /** Errors: HttpProblem 413. */
  text(): Promise<string>;
}
export interface HttpAnswer {
  status?: number;
  /** @default 'application/json' */
  type?: string;
  /** Of another type than text: sent as JSON. */
  body: unknown;
}
export type Routes = Readonly<Record<`${'GET' | 'POST'} /${string}`, (request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer>>;

/** A refusal with its status and a sentence for whoever asked. */
export class HttpProblem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface HttpServer {
  /** `host:port` for others to call. */
  readonly address: string;
  close(): Promise<void>;
}

export interface HttpOptions {
  /** Whoever asks shows it (`Authorization: Bearer …`), or is told 401. @default anybody may ask */
  token?: string | undefined;
  /** Paths that anybody may ask for nevertheless. @default none */
  open?: readonly string[];
}

/** Far more than a thousand alerts at once. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** `listen` is `host:port`, port 0 = any free one. Rejects when it can't be had. */
export function serveHttp(listen: string, routes: Routes, log: Logger, options: HttpOptions = {}): Promise<HttpServer> {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const mayAsk = gateOf(options);
  const server = createServer((request, response) => void handle(routes, mayAsk, request, response, log));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: Number(listen.slice(colon + 1)) }, () => {
      server.off('error', reject);
      server.on('error', (error) => log.warn({ error }, 'http.failed'));
      const { port } = server.address() as { port: number };
      resolve({ address: `${reachableHost(host)}:${port}`, close: () => closeNow(server) });
    });
  });
}

function closeNow(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Answers under way are worth less than a quick end: whoever asked asks again.
    server.closeAllConnections();
  });
}

type Gate = (request: IncomingMessage) => boolean;

/** Digests are compared, which are of one length whatever was shown. */
function gateOf({ token, open = [] }: HttpOptions): Gate {
  if (token === undefined) return () => true;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  return ({ url, headers }) =>
    open.includes((url ?? '/').split('?', 1)[0]!) || timingSafeEqual(digest(headers.authorization ?? ''), wanted);
}

async function handle(routes: Routes, mayAsk: Gate, request: IncomingMessage, response: ServerResponse, log: Logger): Promise<void> {
  const {
    status = 200,
    type,
    body,
  } = await (mayAsk(request) ? answer(routes, request) : Promise.reject(new HttpProblem(401, 'this needs the token of the cluster'))).catch(
    (error): HttpAnswer => {
      const status = error instanceof HttpProblem ? error.status : 500;
      if (status >= 500) log.warn({ error, url: request.url }, 'http.request-failed');
      return { status, body: { error: messageOf(error) } };
    },
  );
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  // A body that was not read to its end stands in the way of the next request.
  if (!request.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': type ?? 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(request.method === 'HEAD' ? undefined : text);
}

async function answer(routes: Routes, request: IncomingMessage): Promise<HttpAnswer> {
  // Not by `new URL`: what a client sends as its target may be no URL at all, such as "//".
  const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
  const query = new URLSearchParams(search);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const key = `${method} ${path}` as keyof Routes;
  const route = Object.hasOwn(routes, key) ? routes[key] : undefined;
  if (route) return await route({ query, text: () => textOf(request) });
  const elsewhere = Object.keys(routes).filter((each) => each.endsWith(` ${path}`));
  if (elsewhere.length > 0) throw new HttpProblem(405, `${path} answers ${elsewhere.map((each) => each.split(' ')[0]).join(', ')}`);
  throw new HttpProblem(404, `nothing at ${path}; there is ${Object.keys(routes).join(', ')}`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new HttpProblem(413, `a body has at most ${BODY_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
