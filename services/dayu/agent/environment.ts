import type { Deployment } from '../contract.ts';

/** What an agent tells its instances about the node and the cluster. */
export interface NodeFacts {
  node: string;
  cluster: string;
  nuwa: readonly string[];
  /** The agent's own environment, of which a few names are passed on. */
  own: NodeJS.ProcessEnv;
}

/** A list of what may pass, not of what may not: the agent's environment holds keys and addresses that no service should see. */
const PASSED = ['PATH', 'HOME', 'LANG', 'TZ'];
/** With it the launcher of a local cluster finds what descends from it. */
const LAUNCH_ID = 'FEITIAN_LAUNCH_ID';
/** In the environment of an instance's process, and in no other's. */
export const INSTANCE_ID = 'FEITIAN_INSTANCE_ID';

export interface InstanceFacts {
  id: string;
  role: string;
  deployment: Deployment;
  ports: Readonly<Record<string, number>>;
  tmp: string;
}

/** Later ones win: what the node has, what the release says, what the configuration says, what Dayu says. */
export function instanceEnvironment(instance: InstanceFacts, facts: NodeFacts): Record<string, string> {
  const { release, configuration } = instance.deployment;
  const first = Object.values(instance.ports)[0];
  return {
    ...pick(facts.own, PASSED),
    TMPDIR: instance.tmp,
    ...release.descriptor.roles[instance.role]!.environment,
    ...configuration.values,
    ...(first === undefined ? {} : { PORT: String(first) }),
    ...Object.fromEntries(Object.entries(instance.ports).map(([name, port]) => [`PORT_${name.toUpperCase()}`, String(port)])),
    FEITIAN_APPLICATION: release.application,
    FEITIAN_ROLE: instance.role,
    FEITIAN_VERSION: release.version,
    FEITIAN_NODE: facts.node,
    FEITIAN_CLUSTER: facts.cluster,
    FEITIAN_NUWA: facts.nuwa.join(','),
    [INSTANCE_ID]: instance.id,
    // Nothing that a release or a configuration says can hide an instance from its launcher.
    ...pick(facts.own, [LAUNCH_ID]),
  };
}

function pick(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

export const environmentMark = (id: string): string => `${INSTANCE_ID}=${id}\0`;
