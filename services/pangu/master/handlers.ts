import { isDatabaseAway } from '../../base/database.ts';
import type { CallContext, ServiceHandlers } from '../../kuafu/contract.ts';
import { NOBODY } from '../../kuafu/guard-contract.ts';
import { unavailableWhile } from '../../kuafu/server.ts';
import type { MasterContract } from '../master-contract.ts';
import type { MasterContext } from './context.ts';
import { assertMay, type Named } from './file-access.ts';
import { readers, writers } from './give-tickets.ts';
import { abandon } from './ops/abandon.ts';
import { allocate } from './ops/allocate.ts';
import { attributes, removeAttribute, setAttribute } from './ops/attributes.ts';
import { checkQuotas } from './ops/check-quotas.ts';
import { commit } from './ops/commit.ts';
import { continueLog } from './ops/continue-log.ts';
import { claimRepair, controlState, healingSettings, lacking, setHealingSettings } from './ops/control.ts';
import { create } from './ops/create.ts';
import { forgetNode } from './ops/forget-node.ts';
import { fsckChunks, fsckFiles } from './ops/fsck.ts';
import { heldChunks } from './ops/held-chunks.ts';
import { heldReplicas } from './ops/held-replicas.ts';
import { ledger } from './ops/ledger.ts';
import { locate } from './ops/locate.ts';
import { mkdir } from './ops/mkdir.ts';
import { moveReplica } from './ops/move-replica.ts';
import { open } from './ops/open.ts';
import { openForWrite } from './ops/open-for-write.ts';
import { openLog } from './ops/open-log.ts';
import { publish } from './ops/publish.ts';
import { quotasOf } from './ops/quotas-of.ts';
import { readdir } from './ops/readdir.ts';
import { release } from './ops/release.ts';
import { remove } from './ops/remove.ts';
import { rename } from './ops/rename.ts';
import { replicate } from './ops/replicate.ts';
import { reportBadReplica } from './ops/report-bad-replica.ts';
import { reportReplicas } from './ops/report-replicas.ts';
import { servers } from './ops/servers.ts';
import { setChunkBytes } from './ops/set-chunk-bytes.ts';
import { setDraining } from './ops/set-draining.ts';
import { setOwner } from './ops/set-owner.ts';
import { setQuota } from './ops/set-quota.ts';
import { setReplicas } from './ops/set-replicas.ts';
import { setTimes } from './ops/set-times.ts';
import { space } from './ops/space.ts';
import { stat } from './ops/stat.ts';
import { tellTicketKeys } from './ops/ticket-keys.ts';
import { emptyTrash, setTrashRetention, trashSettings } from './ops/trash.ts';
import { underReplicated } from './ops/under-replicated.ts';
import { usage } from './ops/usage.ts';
import { quotaRefusal } from './quotas.ts';
import { randomHandlers } from './random-handlers.ts';

export function masterHandlers(context: MasterContext): ServiceHandlers<MasterContract> {
  const whilePostgres = unavailableWhile(isDatabaseAway, 'Postgres');
  const guard = <Request, Reply>(work: (request: Request) => Promise<Reply>) =>
    whilePostgres((request: Request) =>
      work(request).catch((error) => {
        throw quotaRefusal(error) ?? error;
      }),
    );
  const handle = <Request, Reply>(op: (context: MasterContext, request: Request) => Promise<Reply>) =>
    guard((request: Request) => op(context, request));
  /** The same, told whose is what is made. */
  const handleAs =
    <Request, Reply>(op: (context: MasterContext, request: Request, owner: string) => Promise<Reply>) =>
    (request: Request, { caller }: CallContext) =>
      guard((asked: Request) => op(context, asked, caller === NOBODY ? '' : caller.name))(request);
  /** Of methods whose request names no path: see file-access.ts. */
  const handleFile = <Request extends Named, Reply>(
    operation: string,
    op: (context: MasterContext, request: Request) => Promise<Reply>,
  ) => {
    return (request: Request, { caller }: CallContext) =>
      guard(async () => {
        await assertMay(context, caller, operation, request);
        return op(context, request);
      })(request);
  };
  return {
    stat: handle(stat),
    readdir: handle(readdir),
    open: readers(context)(handle(open)),
    locate: readers(context)(handleFile('read', locate)),
    create: writers(context)(handleAs(create)),
    allocate: writers(context)(handleFile('write', allocate)),
    commit: handleFile('write', commit),
    abandon: handleFile('write', abandon),
    openForWrite: handle(openForWrite),
    release: handleFile('write', release),
    setChunkBytes: handle(setChunkBytes),
    openLog: writers(context)(handleAs(openLog)),
    continueLog: writers(context)(handleFile('write', continueLog)),
    mkdir: handleAs(mkdir),
    rename: handle(rename),
    remove: handleAs(remove),
    publish: handleAs(publish),
    setOwner: handle(setOwner),
    setTimes: handle(setTimes),
    setReplicas: handle(setReplicas),
    attributes: handle(attributes),
    setAttribute: handle(setAttribute),
    removeAttribute: handle(removeAttribute),
    trashSettings: handle(trashSettings),
    setTrashRetention: handle(setTrashRetention),
    emptyTrash: handle(emptyTrash),
    space: handle(space),
    setQuota: handle(setQuota),
    quotasOf: handle(quotasOf),
    checkQuotas: handle(checkQuotas),
    usage: handle(usage),
    reportBadReplica: handleFile('read', reportBadReplica),
    servers: handle(servers),
    setDraining: handle(setDraining),
    heldReplicas: handle(heldReplicas),
    heldChunks: handle(heldChunks),
    reportReplicas: handle(reportReplicas),
    moveReplica: handle(moveReplica),
    underReplicated: handle(underReplicated),
    replicate: handle(replicate),
    forgetNode: handle(forgetNode),
    ticketKeys: handle(tellTicketKeys),
    ledger: handle(ledger),
    fsckFiles: handle(fsckFiles),
    fsckChunks: handle(fsckChunks),
    lacking: handle(lacking),
    claimRepair: handle(claimRepair),
    controlState: handle(controlState),
    healingSettings: handle(healingSettings),
    setHealing: handle(setHealingSettings),
    ...randomHandlers(context, { handle, handleAs, handleFile }),
  };
}
