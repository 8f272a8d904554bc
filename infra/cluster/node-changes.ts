import { readdir, rm } from 'node:fs/promises';
import type { Logger } from '../../services/base/log.ts';
import { ClusterError } from '../errors.ts';
import type { Layout } from './layout.ts';
import { GRACE_MS, killContainers } from './leftovers.ts';
import { type ClusterNodes, writeNodes } from './nodes-file.ts';
import { awaitFree } from './ports.ts';
import type { StartedCluster } from './start.ts';
import type { Supervisor } from './supervisor.ts';

export interface NodeChangesOptions {
  layout: Layout;
  cluster: StartedCluster;
  supervisor: Supervisor;
  /** All ports of the cluster. */
  ports: Set<number>;
  /** Aborts when the cluster goes down. */
  stopping: AbortSignal;
  /** `cluster.info` changed. */
  onChange: () => void;
  log: Logger;
}

/**
 * Nodes that come to a cluster that is up, and nodes that leave it; one at a time. What is wanted is written down first, so that a launcher that
 * starts after this one starts the same nodes. What becomes of a node's data is not decided here: who asks knows.
 */
export class NodeChanges {
  readonly #options: NodeChangesOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NodeChangesOptions) {
    this.#options = options;
  }

  add(id: string, rack: string): Promise<void> {
    return this.#inTurn(() => this.#add(id, rack));
  }

  remove(id: string, deleteData: boolean): Promise<void> {
    return this.#inTurn(() => this.#remove(id, deleteData));
  }

  async #add(id: string, rack: string): Promise<void> {
    const { layout, cluster, supervisor, stopping, log } = this.#options;
    const known = cluster.info.nodes.find((node) => node.id === id);
    if (known) {
      if (known.rack !== rack) throw new ClusterError('BadConfig', `${id} is there already, in ${known.rack}, not in ${rack}`);
      await Promise.all(supervisor.ofNode(id).map((process) => process.until(() => process.state === 'ready', stopping)));
      return;
    }
    const left = await readdir(layout.nodeDirectory(id)).catch(() => []);
    if (left.length > 0)
      throw new ClusterError(
        'BadConfig',
        `${layout.nodeDirectory(id)} holds what an earlier ${id} left; remove it, or choose another name`,
      );
    this.#become([...cluster.info.nodes, { id, rack }]);
    try {
      await cluster.startNode({ id, rack });
      log.info({ node: id, rack }, 'node.added');
    } catch (error) {
      // When the cluster goes down the node belongs to it all the same.
      if (!stopping.aborted) await this.#remove(id, true);
      throw error;
    }
  }

  async #remove(id: string, deleteData: boolean): Promise<void> {
    const { layout, cluster, supervisor, ports, log } = this.#options;
    const others = cluster.info.nodes.filter((node) => node.id !== id);
    if (others.length === 0) throw new ClusterError('BadConfig', `${id} is the last node of this cluster; "feitian down" takes it down`);
    if (others.length < cluster.info.nodes.length) {
      this.#become(others);
      await supervisor.removeNode(id, GRACE_MS);
      await killContainers(layout, id);
      const busy = await awaitFree(cluster.portsOf(id));
      if (busy.length > 0) throw new ClusterError('Leftovers', `still there after ${id} was stopped: port ${busy.join(', ')}`);
      for (const port of cluster.portsOf(id)) ports.delete(port);
      this.#options.onChange();
      log.info({ node: id }, 'node.removed');
    }
    if (deleteData) await rm(layout.nodeDirectory(id), { recursive: true, force: true, maxRetries: 5 });
  }

  #become(nodes: ClusterNodes): void {
    const { layout, cluster, onChange } = this.#options;
    cluster.info.nodes = nodes;
    writeNodes(layout.nodesFile, nodes);
    onChange();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      this.#options.stopping.throwIfAborted();
      return work();
    });
    this.#turn = result.catch(() => {});
    return result;
  }
}
