import { readFileSync } from 'node:fs';
import { newId } from '../../../base/ids.ts';
import type { CallContext, ServiceHandlers } from '../../../kuafu/contract.ts';
import { ChunkError, type ChunkServerContract } from '../../chunk-contract.ts';
import { tableBytes } from '../../core/random-format.ts';
import type { TicketOperation } from '../../core/ticket.ts';
import { crc } from '../../crc.ts';
import type { randomChunkMethods } from '../../random-chunk-contract.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';
import { pull } from './pull.ts';

type Handlers = Pick<ServiceHandlers<ChunkServerContract>, keyof typeof randomChunkMethods>;

/** What a process leaves in the kernel's memory survives it, not the machine. */
const BOOT = bootOf();

/** The methods of random-chunk-contract.ts: each checks who asks, then asks the store. */
export function randomHandlers(context: ChunkServerContext): Handlers {
  const { random: store } = context;
  const check = (request: { node: string }) => checkNode(context, request);
  const permit = async (call: CallContext, operation: TicketOperation, request: { node: string; chunk: string; ticket?: string }) => {
    check(request);
    await context.permission?.check(call.caller, operation, request.chunk, request.ticket);
  };
  return {
    randomMake: async (request) => {
      check(request);
      if (context.draining.on) throw new ChunkError('Draining', `${context.node} is about to leave and takes no new chunks`);
      await store.make(request.chunk, request.capacityBytes, request.version);
      return {};
    },
    randomWrite: async (request, call) => {
      await permit(call, 'write', request);
      const { chunk, offset, version, durable } = request;
      const bytes = call.attachment;
      if (crc(bytes) !== request.crc)
        throw new ChunkError('BadChecksum', `bytes for chunk ${chunk} were damaged on the way`, { details: { offset } });
      await store.write(chunk, { version, offset, bytes, durable });
      context.store.traffic.writtenBytes += bytes.length;
      return { boot: BOOT };
    },
    randomCut: async (request, call) => {
      await permit(call, 'write', request);
      await store.cut(request.chunk, request);
      return { boot: BOOT };
    },
    randomSync: async (request, call) => {
      await permit(call, 'write', request);
      await store.assertVersion(request.chunk, request.version);
      await store.sync();
      return { boot: BOOT };
    },
    randomRead: async (request, call) => {
      await permit(call, 'read', request);
      const bytes = await store.read(request.chunk, request);
      context.store.traffic.readBytes += bytes.length;
      return { body: { crc: crc(bytes) }, attachment: bytes };
    },
    randomSetVersion: async (request) => {
      check(request);
      return store.setVersion(request.chunk, request.version);
    },
    randomSums: async (request) => {
      check(request);
      await store.assertVersion(request.chunk, request.version);
      const { end, digest, sums } = await store.sums(request.chunk);
      return { body: { end, digest }, attachment: tableBytes(sums) };
    },
    randomPull: (request) => {
      check(request);
      return pull(context, request);
    },
  };
}

/** Of this start of the machine; where nobody says it, of this process, which is never too long. */
function bootOf(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return newId();
  }
}
