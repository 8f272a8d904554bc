import { connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  /** `tcp://host:port` that leads to the target. */
  readonly address: string;
  /** Lets the next request through and, once its reply is here, cuts the connection instead of passing the reply on. Resolves when that has happened. */
  loseNextReply(): Promise<void>;
  close(): Promise<void>;
}

/** Stands between a caller and a server and loses replies when told to: the call has run, and its caller does not know. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let cut: (() => void) | undefined;
  const server = createServer((caller) => {
    const callee = connect(Number(port), hostname);
    let requested = false;
    for (const socket of [caller, callee]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    caller.on('data', (bytes) => {
      if (cut) requested = true;
      callee.write(bytes);
    });
    callee.on('data', (bytes) => {
      if (!cut || !requested) return void caller.write(bytes);
      caller.destroy();
      callee.destroy();
      cut();
      cut = undefined;
    });
    caller.on('close', () => callee.destroy());
    callee.on('close', () => caller.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `tcp://127.0.0.1:${(server.address() as { port: number }).port}`,
    loseNextReply: () =>
      new Promise((resolve) => {
        cut = resolve;
      }),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
