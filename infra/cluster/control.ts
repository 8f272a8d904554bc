/**
 * How others speak with a running launcher: a unix socket in the cluster's directory, one JSON document a line; one request, one reply, then
 * closed. Whoever may write to the socket, the owner only, may ask.
 */
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { FeitianError, messageOf } from '../../services/base/errors.ts';
import { type ClusterCode, ClusterError } from '../errors.ts';

/** `of`: its node, or which instance it is where a role has several. */
const target = { role: z.string(), of: z.string().optional() };

const nodeName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and dashes');

export const controlRequestSchema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('status') }),
  /** Resolves when the cluster is up; fails when it won't be. */
  z.object({ method: z.literal('awaitReady') }),
  /** SIGKILL, then restarted as after any death. */
  z.object({ method: z.literal('kill'), ...target }),
  /** Resolves when the process is ready and its pid is not `pid`. */
  z.object({ method: z.literal('awaitRestart'), ...target, pid: z.number().int() }),
  /** SIGKILL to all processes of the node, and they stay down, as if the machine were lost. */
  z.object({ method: z.literal('hold'), node: z.string() }),
  /** Starts them again; resolves when they are ready. */
  z.object({ method: z.literal('release'), node: z.string() }),
  /** A node more: resolves when its processes are ready. One that is there already is fine. */
  z.object({ method: z.literal('addNode'), id: nodeName, rack: nodeName }),
  /** Stops a node's processes for good; with `deleteData` removes its directory too. One that is not there is fine. */
  z.object({ method: z.literal('removeNode'), id: nodeName, deleteData: z.boolean().default(false) }),
  /** Resolves when all has ended but the launcher itself, which follows at once. */
  z.object({ method: z.literal('stop') }),
]);
export type ControlRequest = z.output<typeof controlRequestSchema>;
/** As it is sent. */
export type ControlQuestion = z.input<typeof controlRequestSchema>;

type Reply = { ok: true; result: unknown } | { ok: false; code: ClusterCode; message: string; details: Record<string, unknown> };

export type ControlHandler = (request: ControlRequest, signal: AbortSignal) => Promise<unknown>;

export async function serveControl(path: string, handle: ControlHandler): Promise<Server> {
  await rm(path, { force: true }); // the lock is ours, so nobody else listens there
  const server = createServer((socket) => {
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    socket.on('error', () => {});
    onFirstLine(socket, async (line) => {
      const reply = await answer(line, (request) => handle(request, gone.signal));
      socket.end(`${JSON.stringify(reply)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

async function answer(line: string, handle: (request: ControlRequest) => Promise<unknown>): Promise<Reply> {
  try {
    return { ok: true, result: (await handle(controlRequestSchema.parse(JSON.parse(line)))) ?? null };
  } catch (error) {
    if (error instanceof ClusterError) return { ok: false, code: error.code, message: error.reason, details: { ...error.details } };
    return { ok: false, code: 'BadConfig', message: error instanceof FeitianError ? error.message : messageOf(error), details: {} };
  }
}

/** Errors: NotRunning when nobody listens or the launcher goes before it answered; else what it answered. */
export function askControl(path: string, request: ControlQuestion): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const absent = (cause?: unknown) =>
      reject(
        new ClusterError(
          'NotRunning',
          `no launcher answers at ${path}; "feitian up" starts the cluster anew, "feitian down" clears what is left of it`,
          { cause },
        ),
      );
    socket.once('error', absent);
    socket.once('close', () => absent());
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    onFirstLine(socket, (line) => {
      const reply = JSON.parse(line) as Reply;
      if (reply.ok) resolve(reply.result);
      else reject(new ClusterError(reply.code, reply.message, { details: reply.details }));
      socket.destroy();
    });
  });
}

function onFirstLine(socket: Socket, listener: (line: string) => void): void {
  let text = '';
  socket.setEncoding('utf8').on('data', function read(chunk: string) {
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0) return;
    socket.off('data', read);
    listener(text.slice(0, end));
  });
}
