import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Rooms whose files start whole clusters, or many processes of one. */
const HEAVY = ['/test/cluster/', '/test/infra/', '/test/workflows/'];
/** Of a run: the rest is small, so that it does not end with one large file on an idle machine. */
const HEAVY_SHARE = 0.8;

/**
 * Heavy files are spread over a run, those of whole clusters first: one beside small ones keeps two cores as busy as three at once would, and
 * nobody in it waits for the others' processors until a timeout.
 */
export class HeavySpread extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => HEAVY.findIndex((room) => moduleId.includes(room));
    const byName = files.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
    const heavy = byName.filter((file) => rank(file) >= 0).sort((a, b) => rank(a) - rank(b));
    const light = byName.filter((file) => rank(file) < 0);
    const gap = heavy.length === 0 ? 0 : (light.length * HEAVY_SHARE) / heavy.length;
    const places = [
      ...heavy.map((file, i) => ({ file, at: i * gap })),
      // Half a step later, so that equal places keep this order.
      ...light.map((file, i) => ({ file, at: i + 0.5 })),
    ];
    return places.sort((a, b) => a.at - b.at).map(({ file }) => file);
  }
}
