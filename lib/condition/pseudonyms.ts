import { createHash } from 'node:crypto';

/** RFC 9562, section 6.6: the name space of host names. */
const DNS_NAMESPACE = Buffer.from('6ba7b8109dad11d180b400c04fd430c8', 'hex');

/** Names of a host that say nothing about it; the same host has the same one everywhere. */
export const PSEUDONYMS = {
  /** 64 bits of the SHA-256, hexadecimal. */
  hash: (host: string): string => createHash('sha256').update(host).digest('hex').slice(0, 16),
  /** The UUID of version 5 (RFC 9562) of the host name. */
  uuid(host: string): string {
    const bytes = createHash('sha1').update(DNS_NAMESPACE).update(host).digest().subarray(0, 16);
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  },
} as const;
