import type { KuafuClient } from '../../kuafu/contract.ts';
import { severityOf } from '../core/fsck.ts';
import type { FsckPage, FsckProblem } from '../healing-contract.ts';
import { connectMasters } from './masters.ts';

export interface FsckOptions {
  /** @default '/' */
  path?: string;
  /** Read every replica back from its disk. @default false */
  verify?: boolean;
  /** @default none */
  onProgress?: (report: FsckReport) => void;
}

export interface FsckReport {
  path: string;
  /** No problem is an error: all can be read, and has the redundancy that it can have. */
  clean: boolean;
  files: number;
  chunks: number;
  replicas: number;
  bytes: number;
  verifiedBytes: number;
  problems: (FsckProblem & { severity: 'error' | 'warning' })[];
}

const PAGE = 2_000;
/** One page of chunks that are read back. */
const PAGE_TIMEOUT_MS = 10 * 60_000;

/** Looks at all files at and below a path, and at the cluster's own counts when that is the root. Changes nothing. */
export async function fsck(kuafu: KuafuClient, cluster: string, options: FsckOptions = {}): Promise<FsckReport> {
  const { path = '/', verify = false, onProgress } = options;
  const masters = connectMasters(kuafu, cluster);
  const report: FsckReport = { path, clean: true, files: 0, chunks: 0, replicas: 0, bytes: 0, verifiedBytes: 0, problems: [] };
  const find = (problems: readonly FsckProblem[]): void => {
    for (const problem of problems) {
      const severity = severityOf(problem.kind);
      report.problems.push({ ...problem, severity });
      if (severity === 'error') report.clean = false;
    }
  };
  const walk = async (page: (after: string | undefined) => Promise<FsckPage>): Promise<void> => {
    for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
      const { next, problems, ...counts } = await page(after);
      for (const name of ['files', 'chunks', 'replicas', 'bytes', 'verifiedBytes'] as const) report[name] += counts[name];
      find(problems);
      onProgress?.(report);
      after = next;
    }
  };
  await walk((after) => masters.fsckFiles({ path, limit: PAGE, ...(after === undefined ? {} : { after }) }));
  await walk((after) =>
    masters.fsckChunks({ path, limit: PAGE, verify, ...(after === undefined ? {} : { after }) }, { timeoutMs: PAGE_TIMEOUT_MS }),
  );
  if (path === '/') {
    const { drifted } = await masters.checkQuotas({ repair: false });
    find(
      drifted.map(({ path, kept, found }) => ({
        kind: 'quota' as const,
        path,
        nodes: [],
        detail: `${kept.files} files and ${kept.bytes} bytes are counted, ${found.files} and ${found.bytes} are there`,
      })),
    );
  }
  return report;
}
