import type { DomainRow, ReportData } from '../../report/data.ts';
import { plusMinus, signed } from '../../report/text.ts';
import { SIGNIFICANCE } from './domains.ts';

type Compared = DomainRow['plans'][number] & { difference: NonNullable<DomainRow['plans'][number]['difference']> };

/** What was found: on the target where there is one, and over all domains. */
export function headline(domains: DomainRow[], plans: string[]): string {
  const [baseline, ...others] = plans;
  const all = domains.at(-1)!;
  if (others.length === 0) return `${baseline}: ${all.plans[0].mean.toFixed(3)} nats over all domains.`;
  const target = domains.find((row) => row.target);
  const parts = [
    target && verdict(target, baseline, `on the target, ${target.domain},`),
    verdict(all, baseline, 'over all domains'),
  ];
  const text = parts.filter(Boolean).join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function verdict(row: DomainRow, baseline: string, where: string): string {
  const others = row.plans.filter((x): x is Compared => x.difference !== null);
  return others.length === 1 ? verdictOnOne(others[0], baseline, where) : verdictOnMany(others, baseline, where);
}

function verdictOnOne({ plan, difference: { mean, sd, clear } }: Compared, baseline: string, where: string): string {
  if (!clear) return `${where} ${plan} and ${baseline} cannot be told apart (${signed(mean)} ± ${sd.toFixed(3)} nats)`;
  return `${where} ${plan} ${mean < 0 ? 'beats' : 'loses to'} ${baseline} by ${plusMinus(Math.abs(mean), sd)} nats`;
}

function verdictOnMany(others: Compared[], baseline: string, where: string): string {
  const sorted = [...others].sort((a, b) => a.difference.mean - b.difference.mean);
  const better = sorted.filter(({ difference }) => difference.clear && difference.mean < 0);
  const worse = sorted.filter(({ difference }) => difference.clear && difference.mean > 0);
  const unclear = others.length - better.length - worse.length;
  const by = ({ plan, difference: { mean, sd } }: Compared) => `${plan} by ${plusMinus(Math.abs(mean), sd)} nats`;
  const [lowest] = sorted;
  if (unclear === others.length) {
    const { mean, sd } = lowest.difference;
    return `${where} none of ${others.length} plans can be told apart from ${baseline} (the lowest is ${lowest.plan}, ${signed(mean)} ± ${sd.toFixed(3)} nats)`;
  }
  const parts = [
    better.length > 0
      ? `${better.length} of ${others.length} plans beat ${baseline}, most of all ${by(better[0])}`
      : `none of ${others.length} plans beats ${baseline}`,
    worse.length > 0 ? `${worse.length} ${worse.length === 1 ? 'loses' : 'lose'} to it` : '',
    unclear > 0 ? `${unclear} cannot be told apart from it` : '',
  ];
  return `${where} ${parts.filter(Boolean).join(', ')}`;
}

/** How the numbers came about, and what they do not show. */
export function remarks(
  data: Pick<ReportData, 'domains' | 'plans' | 'seeds' | 'tokens' | 'scorings' | 'reaches'>,
  rows: { budget: number; pool: number },
): string[] {
  const { domains, plans, seeds, tokens, scorings } = data;
  const baseline = plans[0].name;
  const n = seeds.length;
  const count = plans.length - 1;
  const all = domains.at(-1)!;
  const costs = scorings
    .filter(({ trainings }) => trainings > 0)
    .map(({ name, trainings }) => `${trainings.toFixed(1)} trainings (${name})`);
  return [
    `Every plan trains on ${tokens.toLocaleString('en')} tokens from the same initial weights, ${n} seed${n === 1 ? '' : 's'}; ± is one standard deviation over seeds, and differences are paired by seed.`,
    n > 1
      ? `A difference counts as clear when its paired t-test has p < ${SIGNIFICANCE}${count > 1 ? `, corrected for ${count} plans on one row (Holm)` : ''}. The exact permutation test beside it cannot go below ${(2 ** (1 - n)).toPrecision(2)} with ${n} seeds.`
      : 'One seed shows no spread: nothing here can be told from chance.',
    n > 1
      ? `For scale: the seed alone moves ${baseline}’s loss over all domains by ${all.plans[0].sd.toFixed(3)}.`
      : '',
    rows.budget < rows.pool
      ? `Training reads ${rows.budget.toLocaleString('en')} rows of a pool of ${rows.pool.toLocaleString('en')}. Of a plan that keeps more, a random part of that size is put into order, the same for all plans that keep all rows.`
      : '',
    costs.length > 0
      ? `Scoring the pool, with the model that scores, took as many FLOPs as ${costs.join(', ')}; that is not in the losses${data.reaches.length > 0 ? ', but in the net gain' : ''}.`
      : '',
  ].filter(Boolean);
}
