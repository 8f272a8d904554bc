/**
 * A small web service to try rollouts with: GET / says which version answers and on which node, GET /healthz whether it is well.
 *
 * On SIGTERM it takes no new connections, answers what is still asked on the old ones with `Connection: close`, closes those that say nothing any more
 * and ends. Nobody who asks while it goes down is left without an answer.
 *
 * Variables that make a bad version of it: BEHAVIOUR=crash ends at its start, =never is never well, =sicken is well for SICKEN_AFTER_MS (3000) and then no more.
 * EVENTS_FILE names a file to which it appends what it tells on standard output: one JSON object a line, { at, event, node, version, pid }.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Server } from 'node:net';

const { PORT = '8080', FEITIAN_VERSION: version = '', FEITIAN_NODE: node = '', GREETING: greeting = 'hello' } = process.env;
const { BEHAVIOUR: behaviour = '', EVENTS_FILE: eventsFile } = process.env;
const sickenAfterMs = Number(process.env.SICKEN_AFTER_MS ?? 3_000);
/** How long a connection that stands still may stay for one request more; a client that is about to send on it has this long. */
const LINGER_MS = 500;

function tell(event) {
  const line = `${JSON.stringify({ at: Date.now(), event, node, version, pid: process.pid })}\n`;
  process.stdout.write(line);
  if (eventsFile) appendFileSync(eventsFile, line);
}

tell('started');
if (behaviour === 'crash') {
  console.error('this version always crashes at its start');
  process.exit(3);
}

const startedAtMs = Date.now();
let stopping = false;

function isWell() {
  if (stopping || behaviour === 'never') return false;
  return behaviour !== 'sicken' || Date.now() - startedAtMs < sickenAfterMs;
}

const server = createServer((request, response) => {
  if (stopping) response.setHeader('Connection', 'close');
  const send = (status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  // Not by `new URL`: what a client asks for may be no URL at all, such as "//".
  const [pathname] = request.url.split('?', 1);
  if (pathname === '/healthz') return isWell() ? send(200, { well: true }) : send(503, { well: false });
  if (pathname !== '/') return send(404, { message: 'there is only / and /healthz' });
  send(200, { greeting, version, node, pid: process.pid });
});
server.keepAliveTimeout = 60_000;

server.listen(Number(PORT), () => tell('listening'));
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});

process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  tell('stopping');
  // The HTTP server's own `close` would cut connections that stand still just when their client may be sending.
  Server.prototype.close.call(server, () => {
    tell('stopped');
    process.exit(0);
  });
  setTimeout(() => server.closeIdleConnections(), LINGER_MS);
});
