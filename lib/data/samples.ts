export { type Samples } from './flat-samples.ts';
export { openSamples, writeSamples, type OpenSamplesOptions } from './samples-file.ts';
export { isPacked, MIXED_DOMAIN, type PackedPiece, type PackedSamples } from './packed-samples.ts';
export { type Shard } from './shards.ts';
export { SPLITS, splitOf, type Split } from './splits.ts';
export { tokenizeCorpus, tokenizedDocuments, type TokenizedDocument, type TokenizeOptions } from './tokenize.ts';
