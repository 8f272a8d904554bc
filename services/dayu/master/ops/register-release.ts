import { and, eq } from 'drizzle-orm';
import { inTransaction } from '../../../base/database.ts';
import { hasCode } from '../../../base/errors.ts';
import { describeProblems } from '../../../base/problems.ts';
import { DayuError, packagePath } from '../../contract.ts';
import { parseDescriptor } from '../../core/descriptor.ts';
import { applications, releases } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';
import { toRelease } from '../store.ts';

/** Makes the application when this is its first release. The archive's content is checked by each node that unpacks it; here, that it is whole in Pangu. */
export async function registerRelease(context: MasterContext, request: Request<'registerRelease'>): Promise<Reply<'registerRelease'>> {
  const { digest, bytes } = request;
  const parsed = parseDescriptor(request.descriptor);
  if (!parsed.ok) throw new DayuError('InvalidDescriptor', describeProblems(parsed.problems), { details: { problems: parsed.problems } });
  const { descriptor } = parsed;
  const { name: application, version } = descriptor;
  await assertInPangu(context, digest, bytes);
  return await inTransaction(context.db, async (tx) => {
    await tx.insert(applications).values({ name: application }).onConflictDoNothing();
    const inserted = await tx
      .insert(releases)
      .values({ application, version, digest, bytes, descriptor })
      .onConflictDoNothing()
      .returning();
    if (inserted[0]) return { release: toRelease(inserted[0]), created: true };
    const [existing] = await tx
      .select()
      .from(releases)
      .where(and(eq(releases.application, application), eq(releases.version, version)));
    if (existing!.digest !== digest) {
      const short = `${existing!.digest.slice(0, 12)}…`;
      throw new DayuError(
        'VersionExists',
        `${application} ${version} is registered with another content (${short}); give this one a new version`,
      );
    }
    return { release: toRelease(existing!), created: false };
  });
}

async function assertInPangu({ pangu }: MasterContext, digest: string, bytes: number): Promise<void> {
  const path = packagePath(digest);
  const stat = await pangu.stat(path).catch((error) => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) throw new DayuError('BadPackage', `${path} is not in Pangu: upload the package first`);
    throw error;
  });
  if (stat.size !== bytes) throw new DayuError('BadPackage', `${path} has ${stat.size} bytes in Pangu, not ${bytes}`);
}
