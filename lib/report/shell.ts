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
}

/** One HTML document that loads nothing from anywhere and runs no script. */
export function page({ title, source, headline, remarks, sections, style = '' }: PageParts): string {
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
<main>
<header>
<p class="name">gradfold · ${e(source)}</p>
<h1>${e(headline)}</h1>
<ul class="remarks">${remarks.map((remark) => `<li>${e(remark)}</li>`).join('')}</ul>
</header>
<div class="grid">
${sections.filter(Boolean).join('\n')}
</div>
</main>
</body>
</html>
`;
}
