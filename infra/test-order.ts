import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Rooms whose files take long, longest first: whole clusters, then the processes of one, then workflows on a Temporal server. */
const LONG = ['/test/cluster/', '/test/simulation/', '/test/infra/', '/test/workflows/'];

/** Files that take minutes begin first, so that the end of a run is not one of them alone on an idle machine. The rest fills the gaps, in order of names. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = LONG.findIndex((room) => moduleId.includes(room));
      return index < 0 ? LONG.length : index;
    };
    return files.toSorted((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1));
  }
}
