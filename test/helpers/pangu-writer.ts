import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { WriteOptions } from '../../services/pangu/contract.ts';

export type WriterCommand = { path: string } & (
  | { what: 'open'; mode: 'w' | 'wx' | 'a' | 'r+'; options?: WriteOptions }
  | { what: 'write' | 'append'; text: string }
  | { what: 'pwrite'; position: number; text: string }
  | { what: 'openLog' }
  | { what: 'sync' | 'flush' | 'close' | 'abort' }
);

interface Reply {
  id: number;
  value?: unknown;
  code?: string;
  message?: string;
}

/** A writer that can be killed, or stopped and let go on. */
export interface WriterProcess {
  /** Rejects with an error that has the code of the one there. */
  tell(command: WriterCommand): Promise<unknown>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Resolves when it is gone. */
  readonly gone: Promise<unknown>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export async function startPanguWriter(nuwa: string, { cluster = 'test', ttlMs = 1_500 } = {}): Promise<WriterProcess> {
  const script = new URL('./pangu-writer-process.ts', import.meta.url).pathname;
  const child = fork(script, [JSON.stringify({ cluster, nuwa, ttlMs })], { execArgv: ['--import', 'tsx'] });
  const exited = once(child, 'exit');
  await once(child, 'message');
  const waiting = new Map<number, (reply: Reply) => void>();
  child.on('message', (reply: Reply) => waiting.get(reply.id)?.(reply));
  let last = 0;
  return {
    gone: exited,
    tell: (command) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, ({ value, code, message }) => {
          waiting.delete(id);
          if (code === undefined) resolve(value);
          else reject(Object.assign(new Error(message), { code }));
        });
        child.send({ id, ...command });
      }),
    signal: (signal) => child.kill(signal),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
