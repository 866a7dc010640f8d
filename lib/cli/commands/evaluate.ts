import { basename } from 'node:path';
import { Option } from 'commander';
import { openSamples, SPLITS, type Samples, type Split } from '../../data/samples.ts';
import { loadTokenizer } from '../../data/tokenizer.ts';
import { NORMALIZATION_NAMES, type ChoiceReport } from '../../evaluate/choice.ts';
import { readQuestions } from '../../evaluate/choice-questions.ts';
import { evaluateUnderPrefixes, type PrefixEvaluation } from '../../evaluate/harness.ts';
import { evaluatePerplexity, type PerplexityReport } from '../../evaluate/perplexity.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { drawRows } from '../../recipe/rows.ts';
import {
  backendOptions,
  defineCommand,
  integer,
  option,
  positiveInteger,
  withBackend,
  type BackendFlags,
  type CommandCall,
} from '../command.ts';
import { collect, escaped, unescaped } from '../escapes.ts';
import { UsageError, type CommandOutput } from '../io.ts';
import { maskShareOption, samplesFor, type MaskFlags } from '../masked-samples.ts';
import { formatTable } from '../table.ts';
import { tokenizerNear } from '../tokenizers.ts';

interface EvaluateFlags extends BackendFlags, MaskFlags {
  model: string;
  split: Split;
  batch: number;
  prefix?: string[];
  begin: boolean;
  choices?: string[];
  shots: number;
  examples?: string;
  template?: string;
}

export const evaluate = defineCommand<EvaluateFlags>({
  usage: 'evaluate [samples]',
  description:
    'Loss and perplexity of a model, overall and by domain; multiple choice; both under prefixes such as those of MeCo.',
  example: 'gradfold evaluate tokens/samples.arrow --model run1/model --prefix "URL: en.wikipedia.org\\n\\n"',
  limits: 'rows, drawn by --seed, and questions of each file',
  options: [
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    new Option('--split <name>', 'rows to evaluate on').choices(SPLITS).default('validation'),
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    new Option('--prefix <text>', 'put before everything, without loss; may be given several times').argParser(
      collect(unescaped),
    ),
    new Option('--no-begin', 'with prefixes or choices: begin with no begin-of-text token'),
    new Option(
      '--choices <path>',
      'questions, JSON lines {question, choices, answer}; may be given several times',
    ).argParser(collect()),
    option('--shots <n>', 'answered questions before each', integer, 0),
    option('--examples <path>', 'questions that the shots are drawn from (default: the others of the same file)'),
    option('--template <text>', 'how a question is put (default: "{question}")', unescaped),
    option('--tokenizer <path>', 'tokenizer.json or its folder (default: beside the samples or the model)'),
    maskShareOption,
    ...backendOptions,
  ],
  async run(call) {
    const { args, options, io } = call;
    const path = args[0] as string | undefined;
    if (path === undefined && !options.choices) throw new UsageError('evaluate: give samples, or --choices, or both');
    const samples = path === undefined ? undefined : await openSamples(path);
    const rows = samples && drawRows(samples, { split: options.split, count: options.limit, seed: options.seed });
    const perplexity = samples && { samples, rows: rows! };
    return withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal: io.signal });
      if (perplexity && !options.prefix && !options.choices) return plain(call, model, perplexity);
      return underPrefixes(call, model, perplexity, tokenizerNear([path, options.model], options.tokenizer));
    });
  },
});

type Call = CommandCall<EvaluateFlags>;
interface Rows {
  samples: Samples;
  rows: Uint32Array;
}

/** The rows as they are. */
async function plain(
  { args, options, io, progress }: Call,
  model: LanguageModel,
  { samples, rows }: Rows,
): Promise<CommandOutput> {
  const path = args[0] as string;
  const read = await samplesFor(model, samples, { path, flags: options, seed: options.seed });
  const report = await evaluatePerplexity(model, read, rows, {
    batchSize: options.batch,
    signal: io.signal,
    onProgress: ({ done, total }) => progress.update('evaluate', done, total, 'rows'),
  });
  const lines = [...Object.entries(report.domains).sort(), ['all tokens', report.overall] as const];
  const table = formatTable(
    ['domain', 'loss', 'perplexity', 'tokens'],
    lines.map(([name, x]) => [name, x.loss.toFixed(4), x.perplexity.toFixed(2), String(x.tokens)]),
  );
  return { json: report, text: table };
}

/** Rows and questions without a prefix and under each of those given. */
async function underPrefixes(
  { options, io, progress }: Call,
  model: LanguageModel,
  perplexity: Rows | undefined,
  tokenizer: string,
): Promise<CommandOutput> {
  const choices: [string, Awaited<ReturnType<typeof readQuestions>>][] = [];
  for (const file of options.choices ?? []) {
    choices.push([basename(file), (await readQuestions(file)).slice(0, options.limit)]);
  }
  const evaluations = await evaluateUnderPrefixes(
    model,
    await loadTokenizer(tokenizer),
    { perplexity, choices: Object.fromEntries(choices) },
    {
      prefixes: [null, ...(options.prefix ?? [])],
      beginId: options.begin ? undefined : null,
      template: options.template,
      shots: options.shots,
      examples: options.examples === undefined ? undefined : await readQuestions(options.examples),
      seed: options.seed,
      batchSize: options.batch,
      signal: io.signal,
      onProgress: ({ done, total }) => progress.update('evaluate', done, total, 'tasks'),
    },
  );
  return { json: evaluations, text: evaluationTables(evaluations) };
}

/** Prefixes across, tasks down. */
function evaluationTables(evaluations: PrefixEvaluation[]): string {
  const heads = evaluations.map(({ prefix }) => (prefix === null ? 'no prefix' : `"${escaped(prefix)}"`));
  const first = evaluations[0];
  const parts: string[] = [];
  if (first.perplexity) {
    const domains = Object.keys(first.perplexity.domains).sort();
    const line = (name: string, tokens: number, lossOf: (report: PerplexityReport) => number): string[] => [
      name,
      String(tokens),
      ...evaluations.map(({ perplexity }) => {
        const loss = lossOf(perplexity!);
        return `${loss.toFixed(4)} (${Math.exp(loss).toFixed(1)})`;
      }),
    ];
    parts.push(
      formatTable(
        ['loss (perplexity)', 'tokens', ...heads],
        [
          ...domains.map((name) =>
            line(name, first.perplexity!.domains[name].tokens, ({ domains: losses }) => losses[name].loss),
          ),
          line('all tokens', first.perplexity.overall.tokens, ({ overall }) => overall.loss),
        ],
      ),
    );
  }
  const files = Object.entries(first.choices);
  if (files.length > 0) {
    parts.push(
      formatTable(
        ['right answers', 'questions', 'chance', ...heads],
        files.flatMap(([file, { questions, chance }]) =>
          NORMALIZATION_NAMES.map((name) => [
            `${file}, ${name === 'raw' ? 'raw' : `per ${name}`}`,
            String(questions),
            percent(chance),
            ...evaluations.map(({ choices }) => share(choices[file], name)),
          ]),
        ),
      ),
    );
  }
  return parts.join('\n\n');
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

function share({ accuracy, standardError }: ChoiceReport, name: (typeof NORMALIZATION_NAMES)[number]): string {
  return `${percent(accuracy[name])} ± ${(100 * standardError[name]).toFixed(1)}`;
}
