import { PSEUDONYMS } from './pseudonyms.ts';
import { hostOf, publicSuffixOf, registrableDomainOf } from './url.ts';

/** What a document's URL becomes as metadata. */
export type MetadataForm = 'url' | 'host' | 'registrable-domain' | 'suffix' | 'hash' | 'uuid' | 'top-hosts';

/** What stands for hosts, by host. */
export type HostNames = ReadonlyMap<string, string>;

interface Form {
  /** Null where the URL is malformed. */
  of(url: string, names: HostNames | undefined, unknown: string): string | null;
  /** What stands for a host that has no name yet; null where the host must be in a table. */
  name?: (host: string) => string;
  /** The hosts of the corpus have to be known, or are worth knowing: they are written down. */
  usesHosts: boolean;
}

const plain = (of: (url: string) => string | null): Form => ({ of, usesHosts: false });

const named = (name?: (host: string) => string): Form => ({
  of(url, names, unknown) {
    const host = hostOf(url);
    return host && (names?.get(host) ?? name?.(host) ?? unknown);
  },
  name,
  usesHosts: true,
});

export const FORMS: Record<MetadataForm, Form> = {
  url: plain((url) => (hostOf(url) === null ? null : url.trim())),
  host: plain(hostOf),
  'registrable-domain': plain(registrableDomainOf),
  suffix: plain(publicSuffixOf),
  hash: named(PSEUDONYMS.hash),
  uuid: named(PSEUDONYMS.uuid),
  'top-hosts': named(),
};

export const METADATA_FORMS = Object.keys(FORMS) as MetadataForm[];
