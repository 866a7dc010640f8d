import type { Difference } from './data.ts';
import { definitions, section, table } from './html.ts';
import type { MeasureRow, MecoData } from './meco-data.ts';
import { costSection } from './scorings.ts';
import { page } from './shell.ts';
import { escapeHtml as e, maskAddresses, plusMinus, signed } from './text.ts';

/** How numbers of a table are shown, and which way is better. */
interface Format {
  scale: number;
  digits: number;
  better: 'lower' | 'higher';
}

const LOSS: Format = { scale: 1, digits: 3, better: 'lower' };
/** Of one model under two conditions: much smaller, and with less spread. */
const STEERING: Format = { ...LOSS, digits: 4 };
const SHARE: Format = { scale: 100, digits: 1, better: 'higher' };

/** Texts of a table keep their lines and wrap. */
const TEXT_STYLE = '.excerpt { white-space: pre-wrap; text-align: left; min-width: 14em; font-size: 0.85rem; }';

/** The page of a finished MeCo run. Texts are escaped, with e-mail addresses masked. */
export function renderMeco(data: MecoData): Promise<string> {
  const [{ name: baseline }] = data.arms;
  const seeds = `${data.seeds.length} seed${data.seeds.length === 1 ? '' : 's'}`;
  const sections = [
    section('The arms', '', definitions(data.arms.map(({ name, description }) => ({ name, value: description })))),
    section(
      'Loss on held-out text',
      `Nats a token; lower is better. The column of ${baseline} shows its loss, mean ± standard deviation over ${seeds}; the others their paired difference to it, and their loss below. Colour marks differences that are clear. Groups are by how often a text’s metadata occur in training.`,
      measureTable(data, data.losses, 'tokens', LOSS),
      'wide',
    ),
    section(
      'What metadata do within each arm',
      'Difference of the loss under two conditions, of the same model on the same tokens: below zero the first one helps. What own metadata do against another text’s is due to the right ones; what both do against none is due to there being any.',
      measureTable(data, data.steering, 'tokens', STEERING),
      'wide',
    ),
    section(
      'Multiple choice: which continuation follows?',
      `Share of ${data.questions.count} questions with ${data.questions.choices} choices, in per cent, by log-likelihood, raw and divided by the choice’s characters; chance is ${(100 / data.questions.choices).toFixed(1)} %. Higher is better.`,
      measureTable(data, data.choices, 'questions', SHARE),
      'wide',
    ),
    section(
      'What the models write',
      `After “${data.prompt}”, drawn with the same random numbers, by the models of seed ${data.seeds[0]}.`,
      textsTable(data),
      'wide',
    ),
    section('Time of each stage', '', costSection(data)),
    section(
      'Do it again',
      '',
      `<pre>${e(data.command)}</pre><details><summary>Recipe, with all defaults</summary><pre>${e(data.recipe)}</pre></details>`,
    ),
    section('Made with', '', definitions(data.environment)),
  ];
  return Promise.resolve(
    page({
      title: data.name,
      source: `run ${data.name} · ${data.created}`,
      headline: data.headline,
      remarks: data.remarks,
      sections,
      style: TEXT_STYLE,
    }),
  );
}

function measureTable({ arms }: MecoData, rows: MeasureRow[], unit: string, format: Format): string {
  const heads = ['', 'before the text', unit, ...arms.map(({ name }) => name)];
  const body = rows.map(({ measure, condition, count, arms: cells }) => [
    e(measure),
    e(condition),
    count.toLocaleString('en'),
    ...cells.map((cell) => armCell(cell, format)),
  ]);
  return table(heads.map(e), body);
}

function armCell({ mean, sd, difference }: MeasureRow['arms'][number], { scale, digits, better }: Format): string {
  if (!difference) return plusMinus(scale * mean, scale * sd, digits);
  const text = `${signed(scale * difference.mean, digits)} ± ${(scale * difference.sd).toFixed(digits)}`;
  return `<span class="${verdict(difference, better)}">${text}</span><small>${(scale * mean).toFixed(digits)}</small>`;
}

function verdict({ clear, mean }: Difference, better: Format['better']): string {
  if (!clear) return '';
  return mean < 0 === (better === 'lower') ? 'good' : 'bad';
}

/** Metadata down, arms across. */
function textsTable({ arms, texts }: MecoData): string {
  const metadata = [...new Set(texts.map((text) => text.metadata))];
  return table(
    ['metadata', ...arms.map(({ name }) => e(name))],
    metadata.map((name) => [
      name === null ? '<em>none</em>' : e(name),
      ...arms.map(({ name: arm }) => {
        const text = texts.find((each) => each.arm === arm && each.metadata === name)?.text ?? '';
        return `<div class="excerpt">${e(maskAddresses(text))}</div>`;
      }),
    ]),
  );
}
