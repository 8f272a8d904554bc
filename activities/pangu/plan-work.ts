import { ApplicationFailure } from '@temporalio/activity';
import { excessBytes, targetsOf } from '../../services/pangu/core/spread.ts';
import type { ChunkServerState } from '../../services/pangu/master-contract.ts';
import type { WorkKind, WorkNode, WorkPlan } from '../../services/pangu/work-contract.ts';
import type { PanguServices } from './services.ts';

/** Chunks of one look; of more, what they have left is told of the first ones. */
const LOOK = 10_000;

/** Looks at the cluster and says what is to be done, before anything is. A plan that cannot come to its end is refused, with the reason. */
export function createPlanWork({ panguMaster }: PanguServices) {
  return async function planWork({ kind, nodes }: { kind: WorkKind; nodes: string[] }): Promise<WorkPlan> {
    const { servers, replicasMax } = await panguMaster.servers({});
    switch (kind) {
      case 'repair':
        return planRepair(await panguMaster.lacking({ limit: LOOK }));
      case 'balance':
        return planBalance(servers);
      case 'drain':
        return planDrain(servers, nodes, replicasMax);
    }
  };
}

function planRepair({ lacking, chunks, bytes }: { lacking: { up: number }[]; chunks: number; bytes: number }): WorkPlan {
  const byCopies: Record<string, number> = {};
  for (const { up } of lacking) byCopies[up] = (byCopies[up] ?? 0) + 1;
  const steps = ['copy chunks with the fewest replicas left first, of these the oldest', 'look again, until nothing is lacking'];
  return { kind: 'repair', replicas: chunks, bytes, nodes: [], byCopies, steps };
}

function planBalance(servers: ChunkServerState[]): WorkPlan {
  const taking = servers.filter(({ up, draining }) => up && !draining).map(({ node: id, ...server }) => ({ id, ...server }));
  const targets = targetsOf(taking);
  const bytes = excessBytes(taking);
  return {
    kind: 'balance',
    replicas: 0,
    bytes,
    nodes: taking.map((node) => toNode({ node: node.id, ...node }, Math.round(targets.get(node.id)!))),
    byCopies: {},
    steps: ['move replicas from the fullest node to the emptiest, each at most once', 'until all are equally full, each by its size'],
  };
}

function planDrain(servers: ChunkServerState[], nodes: string[], replicasMax: number): WorkPlan {
  const leaving = nodes.map((node) => {
    const server = servers.find((each) => each.node === node);
    if (!server) throw refuse(`no chunk server ${node} is there, and none of that name holds replicas`);
    return server;
  });
  const staying = servers.filter(({ node, up, draining }) => up && !draining && !nodes.includes(node));
  const bytes = leaving.reduce((sum, server) => sum + server.bytes, 0);
  const freeBytes = staying.reduce((sum, server) => sum + server.freeBytes, 0);
  if (bytes > 0 && staying.length < replicasMax)
    throw refuse(`${staying.length} chunk servers would be left, and there are files that want ${replicasMax} replicas`);
  if (bytes > freeBytes) throw refuse(`${bytes} bytes are to be copied, and the others have ${freeBytes} free`);
  return {
    kind: 'drain',
    replicas: leaving.reduce((sum, { replicas }) => sum + replicas, 0),
    bytes,
    nodes: leaving.map((server) => toNode(server, 0)),
    byCopies: {},
    steps: [`nothing new to ${nodes.join(', ')}`, 'copy all replicas elsewhere, each before the old one goes', 'they may be switched off'],
  };
}

function toNode({ node, rack, up, replicas, bytes }: ChunkServerState, target: number): WorkNode {
  return { id: node, rack, up, replicas, bytes, target };
}

function refuse(message: string): ApplicationFailure {
  return ApplicationFailure.create({ nonRetryable: true, type: 'PlanRefused', message });
}
