/**
 * A task of many instances is spread over several TaskMasters, so that no history nears Temporal's limits: an instance that runs alone costs
 * about seven events, retries and backups more, and 10,000 events is where histories become slow to replay.
 */
export const SHARD_INSTANCES_MAX = 1_000;

export function shardsOf(instances: number): { from: number; to: number }[] {
  const count = Math.ceil(instances / SHARD_INSTANCES_MAX);
  return Array.from({ length: count }, (_, i) => ({
    from: Math.floor((i * instances) / count),
    to: Math.floor(((i + 1) * instances) / count),
  }));
}
