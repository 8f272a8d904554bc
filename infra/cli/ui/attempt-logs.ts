import { messageOf } from '../../../services/base/errors.ts';
import { TUBO_SERVICE, tuboService } from '../../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { SERVICES_PATH } from '../../../services/nuwa/contract.ts';
import type { Membership } from './cluster.ts';

export interface AttemptLog {
  node: string;
  task: string;
  instance: number;
  attempt: number;
  state: 'running' | 'done' | 'failed' | 'killed';
  startedAtMs: number;
  text: string;
}

export interface LogFilter {
  runId: string;
  task?: string;
  instance?: number;
}

/** One request for at most this much of a log. */
const PIECE_BYTES = 1_048_576;

/** What attempts of one run wrote to standard error, from every Tubo that is registered; nodes that do not answer are named. */
export async function attemptLogs(member: Membership, filter: LogFilter): Promise<{ logs: AttemptLog[]; silent: string[] }> {
  const { children } = await member.nuwa.list(`${SERVICES_PATH}/${TUBO_SERVICE}`);
  const nodes = children.map((child) => child.path.slice(child.path.lastIndexOf('/') + 1));
  const silent: string[] = [];
  const perNode = await Promise.all(
    nodes.map((node) =>
      logsOfNode(member, node, filter).catch((error) => {
        silent.push(`${node} (${messageOf(error)})`);
        return [];
      }),
    ),
  );
  const logs = perNode.flat();
  logs.sort((a, b) => (a.task < b.task ? -1 : a.task > b.task ? 1 : 0) || a.instance - b.instance || a.attempt - b.attempt);
  return { logs, silent };
}

async function logsOfNode({ cluster, kuafu }: Membership, node: string, { runId, task, instance }: LogFilter): Promise<AttemptLog[]> {
  const tubo = kuafu.service(tuboService, `nuwa://${cluster.name}/${TUBO_SERVICE}/${node}`);
  const { attempts } = await tubo.attempts({ runId });
  const wanted = attempts.filter(
    (each) => (task === undefined || each.task === task) && (instance === undefined || each.instance === instance),
  );
  const logs: AttemptLog[] = [];
  for (const { task, instance, attempt, state, startedAtMs, logBytes } of wanted) {
    const text = logBytes > 0 ? await readLog(tubo, { runId, task, instance, attempt }) : '';
    logs.push({ node, task, instance, attempt, state, startedAtMs, text });
  }
  return logs;
}

type AttemptKey = { runId: string; task: string; instance: number; attempt: number };

async function readLog(tubo: ServiceClient<typeof tuboService>, attempt: AttemptKey): Promise<string> {
  const pieces: Buffer[] = [];
  for (let offset = 0; ; ) {
    const { body, attachment } = await tubo.log({ ...attempt, offset, length: PIECE_BYTES });
    pieces.push(Buffer.from(attachment));
    offset += attachment.length;
    if (attachment.length === 0 || offset >= body.totalBytes) return Buffer.concat(pieces).toString('utf8');
  }
}
