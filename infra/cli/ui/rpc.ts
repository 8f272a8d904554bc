import { z } from 'zod';
import { defineService, type KuafuClient, KuafuError, method, type ServiceContract } from '../../../services/kuafu/contract.ts';
import { reflectionService, type ServiceDescription } from '../../../services/kuafu/reflection-contract.ts';
import { UsageError } from './action.ts';
import { clusterIn, inCluster } from './cluster.ts';
import { commandIdentity } from './identity.ts';
import { asAddress, callingServers, schemeOf } from './nuwa.ts';

/** Calls without a contract: what a server says about itself, and methods by their names. */
export async function atAddress<T>(dir: string, address: string, use: (kuafu: KuafuClient, address: string) => Promise<T>): Promise<T> {
  // Only names have to be looked up in the cluster; a process can be asked even where there is none.
  if (address.startsWith('nuwa://')) return await inCluster(dir, ({ kuafu }) => use(kuafu, address));
  const cluster = await clusterIn(dir).catch(() => undefined);
  const identity = await commandIdentity(cluster);
  return await callingServers(identity, (kuafu) => use(kuafu, asAddress(address, schemeOf(cluster))));
}

export function describeServices(kuafu: KuafuClient, address: string, service: string | undefined): Promise<ServiceDescription[]> {
  return kuafu
    .service(reflectionService, address)
    .describe({ service })
    .then(({ services }) => services);
}

export interface RawReply {
  body: unknown;
  attachment: Buffer;
}

/** Whatever is asked is sent as it is, and whatever is answered is taken as it is: the server knows what fits. */
export async function callByName(
  kuafu: KuafuClient,
  address: string,
  names: { service: string; name: string },
  request: unknown,
  options: { timeoutMs: number; attachment?: Uint8Array },
): Promise<RawReply> {
  const contract = untyped(names.service, names.name);
  const call = kuafu.service(contract, address)[names.name] as (request: unknown, options: object) => Promise<RawReply>;
  try {
    return await call(request, options);
  } catch (error) {
    // An error of the service's own class is none that a contract without types knows; its text begins with its class and code.
    if (error instanceof KuafuError && error.details.error !== undefined) throw new Error(error.reason, { cause: error });
    throw error;
  }
}

function untyped(service: string, name: string): ServiceContract {
  const any = method({ request: z.unknown(), response: z.unknown(), replyAttachment: true });
  return defineService(service, { errors: KuafuError, methods: { [name]: any } }) as unknown as ServiceContract;
}

/** `pangu-master.stat`: names of services may hold dots, those of methods do not. */
export function parseMethod(text: string): { service: string; name: string } {
  const dot = text.lastIndexOf('.');
  if (dot <= 0 || dot === text.length - 1) throw new UsageError(`${text} is no method: name it <service>.<method>, such as nuwa.status`);
  return { service: text.slice(0, dot), name: text.slice(dot + 1) };
}

/** Bytes have no form in JSON: they are written `{"$base64": "…"}`, in requests and in replies. */
const BYTES = '$base64';

export function parseRequest(json: string): unknown {
  try {
    return JSON.parse(json, (_key, value) => (isBytes(value) ? new Uint8Array(Buffer.from(value[BYTES], 'base64')) : value));
  } catch (error) {
    throw new UsageError(`the request is no JSON: ${(error as Error).message}`);
  }
}

export function formatReply(body: unknown): unknown {
  if (body instanceof Uint8Array) return { [BYTES]: Buffer.from(body).toString('base64') };
  if (Array.isArray(body)) return body.map(formatReply);
  if (body instanceof Date || typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, formatReply(value)]));
}

function isBytes(value: unknown): value is { [BYTES]: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 1 &&
    typeof (value as Record<string, unknown>)[BYTES] === 'string'
  );
}
