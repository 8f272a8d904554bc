import type { NodeKeeper } from '../../services/dayu/nodes-contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import type { MasterContract } from '../../services/pangu/master-contract.ts';

/** What the activities of expanding and shrinking work with. */
export interface NodeServices {
  panguMaster: ServiceClient<MasterContract>;
  nuwa: NuwaClient;
  nodeProvider: NodeProvider;
  /** Whether a workflow run still goes on. */
  isRunning(workflowId: string, runId: string): Promise<boolean>;
}

/** Who starts and stops the roles of a node. Every method may be called again. */
export interface NodeProvider {
  /** `launcher`: they are started, and ready; `manual`: nobody here can, a person has to. */
  add(node: { id: string; rack: string }): Promise<NodeKeeper>;
  /** `launcher`: they have ended for good; `manual`: a person has to see to it. */
  remove(id: string): Promise<NodeKeeper>;
  /** What a node that was removed kept on disk; where a person removes nodes, so does that. */
  deleteData(id: string): Promise<void>;
}
