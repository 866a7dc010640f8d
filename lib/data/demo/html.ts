import { compile, type SelectorDefinition } from 'html-to-text';

const SELECTORS: SelectorDefinition[] = [
  { selector: 'a', options: { ignoreHref: true } },
  { selector: 'img', format: 'skip' },
  { selector: 'nav', format: 'skip' },
  ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
];

/** The text of HTML: no pictures, scripts or link targets, one line a paragraph. Headings keep their case. */
export const htmlToPlainText: (html: string) => string = compile({ wordwrap: false, selectors: SELECTORS });

/** The same of a page of documentation (Sphinx, DocBook, Node.js, SQLite), without what leads to other pages. */
export const pageToPlainText: (html: string) => string = compile({
  wordwrap: false,
  baseElements: { selectors: ['div.body', '#apicontent'], returnDomByDefault: true },
  selectors: [
    ...SELECTORS,
    ...['a.headerlink', 'a.mark', 'div.nosearch', 'div.navheader', 'div.navfooter', 'title'].map((selector) => ({
      selector,
      format: 'skip',
    })),
  ],
});

/** Text with at most one empty line in a row and none at either end. */
export function tidy(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\S\n]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
