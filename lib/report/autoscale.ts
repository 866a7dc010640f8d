import { AVERAGE, type AutoscaleData, type ComparedLoss } from './autoscale-data.ts';
import { verdictClass } from './comparison.ts';
import { definitions, section, table } from './html.ts';
import { mixtureSections } from './mix.ts';
import { page } from './shell.ts';
import { escapeHtml as e, formatSeconds, plusMinus, signed } from './text.ts';

/** The page of a finished run of AutoScale. */
export async function renderAutoscale(data: AutoscaleData): Promise<string> {
  const { findings } = data;
  return page({
    title: data.name,
    source: `run ${data.name} · ${data.created}`,
    headline: data.headline,
    remarks: data.remarks,
    sections: [
      comparison(data),
      ...(await mixtureSections(findings.small, findings.target?.scales)),
      usesSection(data),
      costSection(data),
      section(
        'Do it again',
        '',
        `<pre>${e(data.command)}</pre><details><summary>Recipe, with all defaults</summary><pre>${e(data.recipe)}</pre></details>`,
      ),
      section('Made with', '', definitions(data.environment)),
    ],
  });
}

function comparison({ mixtures, findings, target, seeds }: AutoscaleData): string {
  const [baseline] = mixtures;
  const head = ['mixture', ...findings.domains.map((domain) => e(domain)), AVERAGE];
  const rows = mixtures.map(
    ({ name, title, losses }) =>
      `<tr><td>${e(name)}<small>${e(title)}</small></td>${losses.map(lossCell).join('')}</tr>`,
  );
  return section(
    `Every mixture at ${target} rows`,
    `Validation loss in nats a predicted token, on rows that no search has seen; lower is better. The row of ${baseline.name} shows its loss, mean ± standard deviation over ${seeds.length} seed${seeds.length === 1 ? '' : 's'}; the others show their difference to it, negative where they are better, and their loss below. Colour marks differences that are clear (paired t-test, corrected by Holm, p < 0.05). All read the same number of rows.`,
    `<div class="scroll"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
    'wide',
  );
}

function lossCell({ mean, sd, difference }: ComparedLoss): string {
  if (!difference) return `<td>${plusMinus(mean, sd)}</td>`;
  return `<td class="${verdictClass(difference)}">${signed(difference.mean)} ± ${difference.sd.toFixed(3)}<small>${mean.toFixed(3)}</small></td>`;
}

function usesSection({ mixtures, findings }: AutoscaleData): string {
  return section(
    'How often each domain is read',
    'Share of the training, and passes over the rows that there are; above 1 rows are repeated.',
    table(
      ['mixture', ...findings.domains.map((domain) => e(domain))],
      mixtures.map(({ name, weights, domains }) => [
        e(name),
        ...findings.domains.map((domain, d) => {
          const { epochs } = domains.find((use) => use.domain === domain)!;
          return `${weights[d].toFixed(3)}<small>${epochs.toFixed(2)} ×</small>`;
        }),
      ]),
    ),
    'wide',
  );
}

function costSection({ costs }: AutoscaleData): string {
  return section(
    'What it took',
    'Training time alone, all processes added up.',
    table(
      ['', 'trainings', 'steps', 'tokens', 'time'],
      costs.map(({ stage, runs, steps, tokens, seconds }) => [
        e(stage),
        String(runs),
        steps.toLocaleString('en'),
        tokens.toLocaleString('en'),
        formatSeconds(seconds),
      ]),
    ),
    'wide',
  );
}
