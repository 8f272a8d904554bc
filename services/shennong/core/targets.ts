/**
 * What Prometheus is told to scrape: one target for each process, with the labels that make its series readable. `instance` is the process's
 * own address, so that a restarted process, which answers elsewhere, is told apart from the one before it.
 */
export interface TargetProcess {
  /** `http://host:port`, or `host:port`. */
  address: string;
  node?: string | undefined;
  rack?: string | undefined;
  attributes: Readonly<Record<string, string | number | boolean>>;
}

/** One entry of Prometheus's http_sd. */
export interface TargetGroup {
  targets: [string];
  labels: Record<string, string>;
}

export function targetGroups(processes: Iterable<TargetProcess>, fixed: readonly TargetGroup[]): TargetGroup[] {
  const groups = [...processes].map(({ address, node, rack, attributes }): TargetGroup => {
    const target = address.replace(/^https?:\/\//, '');
    const labels = { role: String(attributes.role ?? 'unknown'), ...(node ? { node } : {}), ...(rack ? { rack } : {}), instance: target };
    return { targets: [target], labels };
  });
  const order = ({ labels, targets }: TargetGroup): string => `${labels.role} ${labels.node ?? ''} ${targets[0]}`;
  return [...groups, ...fixed].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** Targets that are none of ours: `temporal=127.0.0.1:9233,postgres=…`, each `<role>=<host>:<port>`. @returns what is wrong, as text. */
export function parseFixedTargets(text: string): TargetGroup[] | string {
  const groups: TargetGroup[] = [];
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue;
    const [, role, target] = /^([a-z0-9][a-z0-9-]*)=([^\s=/]+:\d{1,5})$/.exec(part) ?? [];
    if (!role || !target) return `"${part}" is not <role>=<host>:<port>`;
    groups.push({ targets: [target], labels: { role, instance: target } });
  }
  return groups;
}
