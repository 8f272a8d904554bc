import { inTransaction } from '../../../base/database.ts';
import { configurations } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';
import { assertApplication, configurationOf } from '../store.ts';

/** What changes nothing makes no new version, so that a second try after a lost reply finds its work done. */
export async function configure({ db, log }: MasterContext, request: Request<'configure'>): Promise<Reply<'configure'>> {
  const { application, user } = request;
  return await inTransaction(db, async (tx) => {
    await assertApplication(tx, application, { lock: true });
    const current = await configurationOf(tx, application);
    const values = { ...current.values };
    for (const [name, value] of Object.entries(request.values)) {
      if (value === null) delete values[name];
      else values[name] = value;
    }
    if (isSame(values, current.values)) return current;
    const version = current.version + 1;
    await tx.insert(configurations).values({ application, version, values, by: user });
    log.info({ application, version, user, names: Object.keys(request.values) }, 'configuration.changed');
    return { version, values };
  });
}

function isSame(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
