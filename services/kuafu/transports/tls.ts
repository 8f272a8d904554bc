import type { Socket } from 'node:net';
import { connect as connectSocket, createServer, type TLSSocket } from 'node:tls';
import { reachableHost } from '../../base/reachable-host.ts';
import { addressOf, formatAddress } from '../core/address.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import type { Channel, Transport } from '../transport.ts';
import { FrameReader, readOn } from './frame-reader.ts';
import { refusePeer } from './refuse.ts';
import { SocketChannel } from './socket-channel.ts';
import { connectThrough, KEEP_ALIVE, listenThrough, portOf } from './sockets.ts';

/**
 * TLS 1.3, and only that, with both sides showing a certificate of the cluster's authority.
 *
 * Node could cut the connection itself when a certificate is no good, but then the other end never learns why. So the handshake is let through,
 * the certificate is looked at before any frame is read or said, and a peer that is refused is told the reason in a go-away.
 *
 * One server of a cluster is called by machines that have no certificate yet, to get one (`strangers`): it takes who shows none, and still nobody who shows a wrong one. As
 * they do not have the authority's either, it shows them its whole chain.
 *
 * Reading goes straight into attachments as over TCP, on both sides (frame-reader.ts): the receiving end spends 0.7 s of processor for each GB, where
 * a bare node:tls socket that emits `data` spends 1.0 s.
 */
const VERSIONS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
/** RFC 9266: what only the two ends of this connection can know. */
const BINDING = { label: 'EXPORTER-Channel-Binding', bytes: 32 };
/** A peer that does not get through its handshake in this time is no peer. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

/** More links than any authority of a cluster has. */
const CHAIN_MAX = 4;

export function tlsTransport(material: TlsMaterial, { strangers = false }: { strangers?: boolean } = {}): Transport {
  const serverOptions = (): ReturnType<TlsMaterial['serverOptions']> => {
    const options = material.serverOptions();
    return strangers ? { ...options, cert: [options.cert ?? [], options.ca ?? []].flat().join('\n') } : options;
  };
  return {
    connect: (address, signal) => secureChannel(material, address, signal),

    async listen(address, onChannel, onRefused = () => {}) {
      const { host, port } = addressOf('tls', address);
      const server = createServer({
        ...serverOptions(),
        ...VERSIONS,
        requestCert: true,
        rejectUnauthorized: false,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        noDelay: true,
        ...KEEP_ALIVE,
      });
      server.on('secureConnection', (socket) => {
        const reader = new FrameReader();
        const peer = peerOf(socket);
        const problem = strangers && !showsOne(socket) ? undefined : certificateProblem(socket);
        const channel = new SocketChannel(socket, reader, peer, { pauses: true, binding: bindingOf(socket) });
        if (problem === undefined) {
          readOn(socket, reader);
          onChannel(channel);
        } else {
          refusePeer(channel, `your certificate ${problem}`);
          onRefused(peer, `the peer's certificate ${problem}`);
        }
      });
      server.on('tlsClientError', (error, socket) => onRefused(peerOf(socket), error.message));
      const stopListening = material.onRenewed(() => server.setSecureContext({ ...serverOptions(), ...VERSIONS }));
      return listenThrough(
        address,
        server,
        { host, port },
        () => formatAddress('tls', reachableHost(host), portOf(server)),
        async () => stopListening(),
      );
    },
  };
}

/** `over`: a way to the address that is there already, such as through a proxy. */
export function secureChannel(material: TlsMaterial, address: string, signal: AbortSignal, over?: Socket): Promise<Channel> {
  const { host, port } = addressOf('tls', address);
  const reader = new FrameReader();
  return connectThrough(
    address,
    signal,
    'secureConnect',
    () => {
      const { onread } = reader;
      const options = { ...material.clientOptions(host), host, port, ...VERSIONS, rejectUnauthorized: false };
      if (over) return connectSocket({ ...options, socket: over });
      // Node's types do not know that a TLS socket takes it, too.
      return connectSocket({ ...options, onread } as typeof options)
        .setNoDelay(true)
        .setKeepAlive(KEEP_ALIVE.keepAlive, KEEP_ALIVE.keepAliveInitialDelay);
    },
    (connected) => {
      const socket = connected as TLSSocket;
      const problem = material.problemOf ? material.problemOf(chainOf(socket)) : certificateProblem(socket);
      const channel = new SocketChannel(socket, reader, address, { pauses: false, binding: bindingOf(socket) });
      if (problem === undefined) {
        if (over) readOn(socket, reader);
        return channel;
      }
      refusePeer(channel, `your certificate ${problem}`);
      throw new Error(`the peer's certificate ${problem}`);
    },
  );
}

function bindingOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(BINDING.bytes, BINDING.label, Buffer.alloc(0));
}

function peerOf({ remoteAddress = 'unknown', remotePort = 0 }: TLSSocket): string {
  return formatAddress('tls', remoteAddress, remotePort);
}

/** What is wrong with the certificate that the peer showed, or undefined. Whoever has none of the authority's gets no further. */
function certificateProblem(socket: TLSSocket): string | undefined {
  if (socket.authorized) return undefined;
  if (!showsOne(socket)) return 'is missing';
  const code = String(socket.authorizationError);
  return PROBLEMS[code] ?? `was refused: ${code}`;
}

const showsOne = (socket: TLSSocket): boolean => Object.keys(socket.getPeerCertificate()).length > 0;

/** As the peer showed them, from its own on. */
function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Buffer[] = [];
  for (let next = socket.getPeerX509Certificate(); next && chain.length < CHAIN_MAX; next = next.issuerCertificate) {
    if (chain.at(-1)?.equals(next.raw)) break;
    chain.push(next.raw);
  }
  return chain;
}

/** By the codes of OpenSSL and Node. */
const PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by itself',
  ERR_TLS_CERT_ALTNAME_INVALID: 'carries other names than the one that was called',
  SELF_SIGNED_CERT_IN_CHAIN: 'is of another authority',
  UNABLE_TO_GET_ISSUER_CERT: 'is of another authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is of another authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is of another authority',
};
