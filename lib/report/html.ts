import { escapeHtml as e } from './text.ts';

/** A titled card of the page; `wide` takes the whole width. */
export function section(title: string, lead: string, body: string, className: '' | 'wide' = ''): string {
  return `<section${className ? ` class="${className}"` : ''}><h2>${e(title)}</h2>${lead ? `<p>${e(lead)}</p>` : ''}${body}</section>`;
}

export const figure = (svg: string): string => `<figure class="scroll">${svg}</figure>`;

/** A table whose first column is a heading; cells are HTML. */
export function table(head: string[], rows: string[][]): string {
  const cells = (row: string[], tag: 'th' | 'td') => row.map((cell) => `<${tag}>${cell}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
  return `<div class="scroll"><table>${head.length > 0 ? `<thead><tr>${cells(head, 'th')}</tr></thead>` : ''}<tbody>${body}</tbody></table></div>`;
}

export function definitions(rows: { name: string; value: string }[]): string {
  return `<dl>${rows.map(({ name, value }) => `<dt>${e(name)}</dt><dd>${e(value)}</dd>`).join('')}</dl>`;
}
