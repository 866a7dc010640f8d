import { createRequire } from 'node:module';
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import type * as PublicSuffixes from 'tldts';

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\/|^\/\//i;
/** Private suffixes are suffixes: somebody.github.io and somebody-else.github.io belong to two owners. */
const WHOLE_LIST = { allowPrivateDomains: true } as const;

let suffixes: typeof PublicSuffixes | undefined;
/** The list, 14 MB in memory: loaded for those who ask. */
const publicSuffixes = () => (suffixes ??= createRequire(import.meta.url)('tldts') as typeof PublicSuffixes);

interface Authority {
  /** Lower case, without the dot of the root. */
  name: string;
  /** With its colon; empty where there is none. */
  port: string;
}

/**
 * The host of a URL: the text between scheme and first slash, in lower case, with its port, and without user and password.
 * International names stay in the spelling of the URL. Without a scheme the text must begin with a name that has a dot,
 * an IPv4 address or `localhost`. Null for a text that has no valid host.
 */
export function hostOf(url: string): string | null {
  const authority = authorityOf(url);
  return authority && authority.name + authority.port;
}

/**
 * The domain that its owner has registered, by the public suffix list: one label more than the suffix
 * (`www.bbc.co.uk`: `bbc.co.uk`; `somebody.github.io`: itself). Null for addresses, and hosts that are a suffix themselves.
 */
export function registrableDomainOf(url: string): string | null {
  const authority = authorityOf(url);
  return authority && publicSuffixes().getDomain(authority.name, WHOLE_LIST);
}

/** The public suffix of a URL's host: `com`, `co.uk`, `github.io`. Null for addresses. */
export function publicSuffixOf(url: string): string | null {
  const authority = authorityOf(url);
  return authority && publicSuffixes().getPublicSuffix(authority.name, WHOLE_LIST);
}

function authorityOf(url: string): Authority | null {
  const text = url.trim();
  const scheme = SCHEME.exec(text)?.[0];
  const [authority] = text.slice(scheme?.length ?? 0).split(/[/?#\\]/, 1);
  // Without a scheme, `user@host` is rather a mail address.
  if (scheme === undefined && authority.includes('@')) return null;
  const match = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(authority.slice(authority.lastIndexOf('@') + 1));
  if (match === null) return null;
  const name = match[1].toLowerCase().replace(/\.$/, '');
  const known = scheme === undefined ? isPublicName(name) : isName(name);
  return known ? { name, port: match[2]?.length > 1 ? match[2] : '' } : null;
}

function isName(name: string): boolean {
  if (name.startsWith('[')) return isIPv6(name.slice(1, -1));
  return !/^\.|\.\.|%/.test(name) && domainToASCII(name) !== '';
}

/** What begins a URL whose scheme was left out, and not any other word. */
function isPublicName(name: string): boolean {
  return name === 'localhost' || (/[^.]\.[^.]/.test(name) && isName(name));
}
