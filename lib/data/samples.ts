export { type Samples } from './flat-samples.ts';
export { openSamples, writeSamples } from './samples-file.ts';
export { type Shard } from './shards.ts';
export { SPLITS, splitOf, type Split } from './splits.ts';
export { tokenizeCorpus, tokenizedDocuments, type TokenizedDocument, type TokenizeOptions } from './tokenize.ts';
