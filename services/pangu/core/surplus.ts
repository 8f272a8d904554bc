/**
 * Which replicas of a chunk go when there are too many: a server that was dead came back, or its file wants fewer. Those that stay are on servers that are
 * there and do not leave, as many as are wanted, in racks as different as they come; of two that are as good the one on the emptier disk stays.
 */
export interface SurplusNode {
  id: string;
  rack: string;
  freeBytes: number;
  draining?: boolean;
}

/** `there`: servers of the replicas, as far as they are there. @returns nodes whose replicas go; none while too few would stay. */
export function chooseSurplus(there: readonly SurplusNode[], wanted: number): string[] {
  const stay = there.filter(({ draining }) => !draining);
  if (wanted < 1 || stay.length < wanted || there.length <= wanted) return [];
  while (stay.length > wanted) {
    const sharing = (node: SurplusNode): number => stay.filter(({ rack }) => rack === node.rack).length;
    const goes = stay.reduce((worst, node) => {
      const more = sharing(node) - sharing(worst);
      return more > 0 || (more === 0 && node.freeBytes < worst.freeBytes) ? node : worst;
    });
    stay.splice(stay.indexOf(goes), 1);
  }
  return there.filter((node) => !stay.includes(node)).map(({ id }) => id);
}
