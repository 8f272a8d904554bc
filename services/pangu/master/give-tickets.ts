import { systemClock } from '../../base/clock.ts';
import type { CallContext } from '../../kuafu/contract.ts';
import type { TicketOperation } from '../core/ticket.ts';
import type { Allocation, LocatedChunk } from '../master-contract.ts';
import type { MasterContext } from './context.ts';

/** Joins the ticket of whoever asks to the places of chunks. Who may ask at all was decided before. */
function ticketFor({ tickets }: MasterContext, { caller }: CallContext, operation: TicketOperation) {
  return <T extends { chunk: string }>(place: T): T & { ticket?: string } =>
    tickets ? { ...place, ticket: tickets.make({ chunk: place.chunk, operation, holder: caller.key }, systemClock.nowMs()) } : place;
}

export function readers(context: MasterContext) {
  return <Request, Reply extends { chunks: LocatedChunk[] }>(handle: (request: Request, call: CallContext) => Promise<Reply>) =>
    async (request: Request, call: CallContext): Promise<Reply> => {
      const reply = await handle(request, call);
      return { ...reply, chunks: reply.chunks.map(ticketFor(context, call, 'read')) };
    };
}

export function writers(context: MasterContext) {
  return <Request, Reply extends Allocation>(handle: (request: Request, call: CallContext) => Promise<Reply>) =>
    async (request: Request, call: CallContext): Promise<Reply> =>
      ticketFor(context, call, 'write')(await handle(request, call));
}
