import type { DayuServices } from './services.ts';

/** Which applications a node is meant to run. */
export function createApplicationsOn({ dayuMaster }: DayuServices) {
  return async function applicationsOn({ node }: { node: string }): Promise<{ application: string; configuration: number }[]> {
    const { applications } = await dayuMaster.applications({});
    return applications.flatMap(({ application, placements }) =>
      placements.filter((placement) => placement.node === node).map(({ configuration }) => ({ application, configuration })),
    );
  };
}
