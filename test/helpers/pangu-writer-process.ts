import { silentLogger } from '../../services/base/log.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { createPangu } from '../../services/pangu/client.ts';
import type { PanguFile, PanguLog } from '../../services/pangu/contract.ts';
import type { WriterCommand } from './pangu-writer.ts';

/** A Pangu client in a process of its own, which does what its parent says: see pangu-writer.ts. */
const { cluster: name, nuwa, ttlMs } = JSON.parse(process.argv[2]!) as { cluster: string; nuwa: string; ttlMs: number };
const cluster = await joinCluster({ cluster: name, nuwa: [nuwa], creator: 'writer', ttlMs, log: silentLogger });
const pangu = createPangu({ cluster: name, kuafu: cluster.kuafu, nuwa: cluster.nuwa, log: silentLogger });
const files = new Map<string, PanguFile>();
const logs = new Map<string, PanguLog>();

async function carryOut(command: WriterCommand): Promise<unknown> {
  const { path } = command;
  if (command.what === 'open') return void files.set(path, await pangu.open(path, command.mode, command.options));
  if (command.what === 'openLog') return void logs.set(path, await pangu.openLog(path));
  if (command.what === 'append') return logs.get(path)!.append(command.text);
  const file = files.get(path)!;
  if (command.what === 'pwrite') return file.pwrite(command.position, Buffer.from(command.text));
  if (command.what === 'write') return file.write(Buffer.from(command.text));
  return file[command.what]();
}

process.on('message', ({ id, ...command }: WriterCommand & { id: number }) => {
  carryOut(command).then(
    (value) => process.send!({ id, value }),
    (error) => process.send!({ id, code: error.code ?? 'none', message: String(error.message) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send!('ready');
