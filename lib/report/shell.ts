import { STYLE } from './style.ts';
import { escapeHtml as e } from './text.ts';

/** What every page has: a line on where it comes from, what was found, remarks on it, and its cards. */
export interface PageParts {
  title: string;
  /** Small, above the headline. */
  source: string;
  headline: string;
  remarks: string[];
  /** HTML of each card; empty ones are left out. */
  sections: string[];
  /** Beyond the style of all pages. */
  style?: string;
  /** Further pages of the same document, below, with links to them at the top; titles stand in the links. */
  further?: FurtherPage[];
}

export interface FurtherPage extends Pick<PageParts, 'title' | 'headline' | 'remarks' | 'sections'> {
  /** Unique in the document. */
  id: string;
}

/** One HTML document that loads nothing from anywhere and runs no script. */
export function page({ title, source, headline, remarks, sections, style = '', further = [] }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${e(title)} · gradfold</title>
<style>${STYLE}${style}</style>
</head>
<body>
<main id="top">
<header>
<p class="name">gradfold · ${e(source)}</p>
${links(further)}<h1>${e(headline)}</h1>
${list(remarks)}
</header>
${grid(sections)}
${further.map(furtherPage).join('\n')}
</main>
</body>
</html>
`;
}

const list = (remarks: string[]): string =>
  `<ul class="remarks">${remarks.map((remark) => `<li>${e(remark)}</li>`).join('')}</ul>`;

const grid = (sections: string[]): string => `<div class="grid">\n${sections.filter(Boolean).join('\n')}\n</div>`;

function links(further: FurtherPage[]): string {
  if (further.length === 0) return '';
  return `<nav>On this page: ${further.map(({ id, title }) => `<a href="#${e(id)}">${e(title)}</a>`).join(' · ')}</nav>\n`;
}

function furtherPage({ id, title, headline, remarks, sections }: FurtherPage): string {
  return `<article id="${e(id)}"><header><p class="name">${e(title)} · <a href="#top">to the top</a></p><h2>${e(headline)}</h2>${list(remarks)}</header>
${grid(sections)}</article>`;
}
