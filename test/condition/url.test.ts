import { describe, expect, it } from 'vitest';
import { hostOf, publicSuffixOf, registrableDomainOf } from '../../lib/condition/url.ts';

/** URL, host, registrable domain, public suffix. */
const CASES: [url: string, host: string | null, domain: string | null, suffix: string | null][] = [
  ['https://en.wikipedia.org/wiki/Ant?x=1#top', 'en.wikipedia.org', 'wikipedia.org', 'org'],
  ['HTTPS://EN.Wikipedia.ORG', 'en.wikipedia.org', 'wikipedia.org', 'org'],
  ['http://www.bbc.co.uk/news', 'www.bbc.co.uk', 'bbc.co.uk', 'co.uk'],
  ['https://somebody.github.io/blog', 'somebody.github.io', 'somebody.github.io', 'github.io'],
  ['https://github.io/', 'github.io', null, 'github.io'],
  ['http://example.org:8080/a', 'example.org:8080', 'example.org', 'org'],
  ['http://example.org:/a', 'example.org', 'example.org', 'org'],
  ['ftp://user:pass@word@files.example.org/x', 'files.example.org', 'example.org', 'org'],
  ['http://example.org./', 'example.org', 'example.org', 'org'],
  ['http://example.org?q=/a', 'example.org', 'example.org', 'org'],
  ['http://example.org\\evil', 'example.org', 'example.org', 'org'],
  ['  https://example.org/  \n', 'example.org', 'example.org', 'org'],
  ['//cdn.example.org/x.js', 'cdn.example.org', 'example.org', 'org'],
  ['en.wikipedia.org/wiki/Ant', 'en.wikipedia.org', 'wikipedia.org', 'org'],
  ['example.org:8080/a', 'example.org:8080', 'example.org', 'org'],
  ['http://localhost:3000/', 'localhost:3000', null, 'localhost'],
  ['localhost/x', 'localhost', null, 'localhost'],
  ['http://192.168.0.1/a', '192.168.0.1', null, null],
  ['http://[2001:db8::1]:80/a', '[2001:db8::1]:80', null, null],
  ['https://Müller.de/straße', 'müller.de', 'müller.de', 'de'],
  ['https://xn--mller-kva.de/', 'xn--mller-kva.de', 'xn--mller-kva.de', 'de'],
  ['https://食狮.com.cn/', '食狮.com.cn', '食狮.com.cn', 'com.cn'],
  ['https://a.b.example.notasuffix/', 'a.b.example.notasuffix', 'example.notasuffix', 'notasuffix'],
  ['', null, null, null],
  ['garbage', null, null, null],
  ['not a url', null, null, null],
  ['mailto:someone@example.org', null, null, null],
  ['someone@example.org', null, null, null],
  ['file:///etc/hosts', null, null, null],
  ['http:///path', null, null, null],
  ['http://', null, null, null],
  ['http://exa mple.org/', null, null, null],
  ['http://example..org/', null, null, null],
  ['http://.org/', null, null, null],
  ['http://%65xample.org/', null, null, null],
  ['http://[::1/a', null, null, null],
  ['http://[nonsense]/a', null, null, null],
  ['http://example.org:port/', null, null, null],
  ['javascript:alert(1)', null, null, null],
  ['data:text/plain,a.b', null, null, null],
];

describe.each(CASES)('%j', (url, host, domain, suffix) => {
  it('host, registrable domain and suffix', () => {
    expect([hostOf(url), registrableDomainOf(url), publicSuffixOf(url)]).toEqual([host, domain, suffix]);
  });
});
