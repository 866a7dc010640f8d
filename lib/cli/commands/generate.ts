import { loadTokenizer } from '../../data/tokenizer.ts';
import { prefixTokens } from '../../evaluate/harness.ts';
import { concatenated } from '../../evaluate/log-likelihood.ts';
import { generate as generateTexts, type GeneratedText } from '../../generate/generate.ts';
import { LanguageModel } from '../../model/language-model.ts';
import {
  backendOptions,
  defineCommand,
  option,
  positiveInteger,
  withBackend,
  type BackendFlags,
  numberIn,
  nonNegativeNumber,
} from '../command.ts';
import { sideBySide } from '../columns.ts';
import { collect, escaped, unescaped } from '../escapes.ts';
import { Option } from 'commander';
import { tokenizerNear } from '../tokenizers.ts';

interface Written extends Omit<GeneratedText, 'tokens' | 'prompt'> {
  prompt: string;
  prefix: string | null;
  text: string;
  tokens: number[];
}

export const generate = defineCommand<
  BackendFlags & {
    prompt?: string[];
    prefix?: string[];
    begin: boolean;
    tokens: number;
    samples: number;
    temperature: number;
    topK?: number;
    topP: number;
    tokenizer?: string;
  }
>({
  usage: 'generate <model>',
  description: 'Continue prompts, without a prefix and under each one given, side by side.',
  example: 'gradfold generate run1/model --prompt "The house" --prefix "URL: en.wikipedia.org\\n\\n" --top-p 0.9',
  options: [
    new Option('--prompt <text>', 'what is continued; may be given several times (default: nothing)').argParser(
      collect(unescaped),
    ),
    new Option('--prefix <text>', 'put before the prompts; may be given several times').argParser(collect(unescaped)),
    new Option('--no-begin', 'begin with no begin-of-text token'),
    option('--tokens <n>', 'tokens generated at most', positiveInteger, 64),
    option('--samples <n>', 'texts for each prompt and prefix', positiveInteger, 1),
    option('--temperature <t>', 'divides the logits; 0: always the most probable token', nonNegativeNumber, 1),
    option('--top-k <n>', 'draw from the n most probable tokens', positiveInteger),
    option(
      '--top-p <p>',
      'draw from the most probable tokens that reach this probability',
      numberIn({ above: 0, max: 1 }),
      1,
    ),
    option('--tokenizer <path>', 'tokenizer.json or its folder (default: near the model)'),
    ...backendOptions,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const path = args[0] as string;
    const tokenizer = await loadTokenizer(tokenizerNear([path], options.tokenizer));
    const beginId = options.begin ? tokenizer.beginOfTextId : null;
    const prompts = options.prompt ?? [''];
    const prefixes = [null, ...(options.prefix ?? [])];
    const encoded = prompts.map((prompt) => tokenizer.encode(prompt));
    const texts = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(path, { backend, signal });
      const written: Written[] = [];
      for (const [p, prefix] of prefixes.entries()) {
        const before = prefixTokens(tokenizer, prefix, beginId);
        // Prompts keep their index, so that every prefix meets the same random numbers.
        const generated = await generateTexts(
          model,
          encoded.map((prompt) => concatenated(before, prompt)),
          {
            maxTokens: options.tokens,
            samples: options.samples,
            temperature: options.temperature,
            topK: options.topK,
            topP: options.topP,
            endId: tokenizer.endOfTextId,
            seed: options.seed,
            signal,
            onProgress: ({ done, total }) =>
              progress.update('generate', p * total + done, prefixes.length * total, 'tokens'),
          },
        );
        for (const { prompt, tokens, ...rest } of generated) {
          const text = tokenizer.decode(tokens);
          written.push({ prompt: prompts[prompt], prefix, ...rest, text, tokens: [...tokens] });
        }
      }
      return written;
    });
    return { json: texts, text: formatTexts(texts, prefixes, options.samples) };
  },
});

/** For each prompt and sample, the texts under every prefix beside each other. */
function formatTexts(texts: Written[], prefixes: (string | null)[], samples: number): string {
  const each = texts.length / prefixes.length;
  const heads = prefixes.map((prefix) => (prefix === null ? 'no prefix' : `"${escaped(prefix)}"`));
  return Array.from({ length: each }, (_, i) => {
    const own = prefixes.map((_, p) => texts[p * each + i]);
    const number = samples > 1 ? `, sample ${own[0].sample + 1}` : '';
    const cells = own.map(({ text, ended }) => `${text}${ended === 'end' ? ' ■' : ' …'}`);
    return `"${escaped(own[0].prompt)}"${number}\n${sideBySide(heads, cells)}`;
  }).join('\n\n');
}
