import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeTextAtomically } from '../atomic-file.ts';
import { checkLength, invalid } from '../check.ts';
import { fileError } from '../files.ts';
import { inputOf, type MixtureAnalysis, type MixtureInput, type MixtureScale } from './analysis.ts';
import { fitResponses, type ResponseOptions } from './response.ts';
import { parseMixResults, type MixRun } from './results.ts';

const positives = z.array(z.number().positive().finite());
const LAW = z.object({ a: z.number().positive(), b: z.number().positive(), c: z.number() });

/** A mixture file: laws, or best amounts, or both, at one scale or more; lists are in the order of the domains. */
const MIXTURE_FILE = z.object({
  domains: z.array(z.string()).min(1),
  scales: z
    .array(
      z
        .object({
          base: positives.optional(),
          laws: z.array(LAW).optional(),
          quantities: positives.optional(),
        })
        .refine(({ base, laws, quantities }) => (base && laws) !== undefined || quantities !== undefined, {
          message: 'neither quantities nor base and laws',
        }),
    )
    .min(1),
});

/**
 * Reads results tables and mixture files (docs/formats.md) as one input: rows of several tables are put together, and
 * scales of all files.
 * @throws GradfoldError naming the file and what is wrong with it.
 */
export async function readMixtureInput(paths: readonly string[], options: ResponseOptions = {}): Promise<MixtureInput> {
  const runs: MixRun[] = [];
  const inputs: MixtureInput[] = [];
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw fileError('read', path, cause);
    });
    if (/^\s*\{/.test(text)) inputs.push(parseMixtureFile(path, text));
    else runs.push(...parseMixResults(path, text));
  }
  if (runs.length > 0) inputs.unshift(inputOf(fitResponses(runs, options)));
  const [{ domains, measures }] = inputs;
  return { domains, measures, scales: inputs.flatMap((input) => reordered(input, domains)).sort(byTotal) };
}

const byTotal = (p: MixtureScale, q: MixtureScale): number => p.total - q.total;

function parseMixtureFile(name: string, text: string): MixtureInput {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(name, 'JSON', text, { code: 'INVALID_FILE', cause });
  }
  const parsed = MIXTURE_FILE.safeParse(value);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw invalid(
      `${name}: ${path.join('.') || 'file'}`,
      'domains, and scales with their base, laws or quantities',
      message,
      {
        code: 'INVALID_FILE',
      },
    );
  }
  const { domains, scales } = parsed.data;
  return {
    domains,
    measures: [],
    scales: scales.map(({ base, laws, quantities }, s) => {
      for (const [field, list] of Object.entries({ base, laws, quantities })) {
        if (list) checkLength(`${name}: scales.${s}.${field}`, list, domains.length, 'one for each domain');
      }
      const total = (quantities ?? base!).reduce((sum, n) => sum + n, 0);
      return { total, base: base ?? null, laws: laws ?? null, quantities: quantities ?? null, response: null };
    }),
  };
}

/** The scales of an input, their lists in the order of `domains`. */
function reordered(input: MixtureInput, domains: string[]): MixtureScale[] {
  const places = domains.map((domain) => input.domains.indexOf(domain));
  if (input.domains.length !== domains.length || places.includes(-1)) {
    throw invalid('domains', `the same in all files: ${domains.join(', ')}`, input.domains.join(', '));
  }
  const arrange = <T>(list: T[] | null): T[] | null => list && places.map((place) => list[place]);
  return input.scales.map((scale) => ({
    ...scale,
    base: arrange(scale.base),
    laws: arrange(scale.laws),
    quantities: arrange(scale.quantities),
  }));
}

/** The input with the best amounts to be found again wherever there are laws. */
export const withoutAmounts = (input: MixtureInput): MixtureInput => ({
  ...input,
  scales: input.scales.map((scale) => (scale.laws ? { ...scale, quantities: null } : scale)),
});

/** Writes what is known of each scale as a mixture file: laws alone, or with the best amounts. */
export async function writeMixtureFile(
  path: string,
  { domains, scales }: MixtureInput | MixtureAnalysis,
): Promise<void> {
  const file = {
    domains,
    scales: scales.map(({ total, base, laws, quantities }) => ({
      total,
      ...(base ? { base } : {}),
      ...(laws ? { laws } : {}),
      ...(quantities ? { quantities } : {}),
    })),
  };
  await writeTextAtomically(path, `${JSON.stringify(file, null, 2)}\n`);
}
