import type { CallContext } from '../../kuafu/contract.ts';
import type { MasterContext } from './context.ts';
import type { Named } from './file-access.ts';
import { readers, writers } from './give-tickets.ts';
import { randomAllocate } from './ops/random-allocate.ts';
import { bumpVersion } from './ops/random-bump-version.ts';
import { randomCommit } from './ops/random-commit.ts';
import { randomCreate } from './ops/random-create.ts';
import { randomLocate } from './ops/random-locate.ts';
import { randomMend } from './ops/random-mend.ts';
import { randomOpen } from './ops/random-open.ts';
import { randomShort } from './ops/random-short.ts';
import { randomCutDone, randomTruncate } from './ops/random-truncate.ts';

type Operation<Request, Reply> = (context: MasterContext, request: Request) => Promise<Reply>;
type Handler<Request, Reply> = (request: Request, call: CallContext) => Promise<Reply>;

/** How handlers.ts makes handlers of operations. */
interface Ways {
  handle<Request, Reply>(op: Operation<Request, Reply>): Handler<Request, Reply>;
  handleAs<Request, Reply>(op: (context: MasterContext, request: Request, owner: string) => Promise<Reply>): Handler<Request, Reply>;
  handleFile<Request extends Named, Reply>(operation: string, op: Operation<Request, Reply>): Handler<Request, Reply>;
}

export function randomHandlers(context: MasterContext, { handle, handleAs, handleFile }: Ways) {
  return {
    randomCreate: handleAs(randomCreate),
    randomOpen: handle(randomOpen),
    randomAllocate: writers(context)(handleFile('write', randomAllocate)),
    randomLocate: readers(context)(handleFile('read', randomLocate)),
    randomCommit: handleFile('write', randomCommit),
    randomTruncate: handleFile('write', randomTruncate),
    randomCutDone: handleFile('write', randomCutDone),
    bumpVersion: writers(context)(handleFile('write', bumpVersion)),
    randomShort: handleFile('read', randomShort),
    randomMend: handleFile('write', randomMend),
  };
}
