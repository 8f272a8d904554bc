import { z } from 'zod';
import { defineService, method } from '../kuafu/contract.ts';
import { ZhongkuiError } from './contract.ts';

/**
 * How a machine gets its certificate. Both methods are open, for they are what one calls before one is anybody; each request carries its own proof, and each
 * answer its own: it is signed by a root that the asker knows beforehand. So nothing is asked of the connection: over TLS the asker may have no certificate, and without it may be plain.
 */

/** A request for a certificate of a P-256 key with sixteen addresses has under 1 KiB. */
export const CSR_BYTES_MAX = 4_096;
export const CERTIFICATE_BYTES_MAX = 16_384;

const bytes = (max: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((value) => value.length <= max, `has more than ${max} bytes`);
const text = (max: number) => z.string().max(max);

export const certificateAnswerSchema = z.object({
  /** PEM. */
  certificate: text(CERTIFICATE_BYTES_MAX),
  /** PEM of each root to be trusted from now on. */
  roots: z.array(text(CERTIFICATE_BYTES_MAX)).max(8),
  /** By the root that issued the certificate, over the request, the certificate and the roots. */
  signature: bytes(256),
});
export type CertificateAnswer = z.infer<typeof certificateAnswerSchema>;

export const joinService = defineService('zhongkui-join', {
  errors: ZhongkuiError,
  methods: {
    /** Errors: JoinRefused, CertificateRefused. The same key may ask again with the same token. */
    join: method({
      request: z.object({
        token: text(64),
        /** PKCS#10, DER: the new machine's name, addresses and public key, signed by that key. */
        csr: bytes(CSR_BYTES_MAX),
        /** Ed25519 signature by the token's secret over cluster, token and request. */
        proof: bytes(64),
      }),
      response: certificateAnswerSchema,
      idempotent: true,
      access: 'open',
    }),
    /** Errors: CertificateRefused. */
    renew: method({
      request: z.object({
        /** The present certificate, PEM. */
        certificate: text(CERTIFICATE_BYTES_MAX),
        /** For the next key. */
        csr: bytes(CSR_BYTES_MAX),
        /** Signature by the present certificate's key over cluster, certificate and request. */
        proof: bytes(256),
      }),
      response: certificateAnswerSchema,
      idempotent: true,
      access: 'open',
    }),
  },
});

export type JoinRequest = z.infer<(typeof joinService.methods.join)['request']>;
export type RenewRequest = z.infer<(typeof joinService.methods.renew)['request']>;

export const ZHONGKUI_JOIN_SERVICE = 'zhongkui-join';
