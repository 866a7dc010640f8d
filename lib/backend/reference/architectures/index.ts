import type { ArchitectureName } from '../../../model/architectures/architecture.ts';
import type { ReferenceArchitecture } from './architecture.ts';
import { BERT } from './bert.ts';
import { GPT2 } from './gpt2.ts';
import { LLAMA } from './llama.ts';

export const REFERENCE_ARCHITECTURES: Record<ArchitectureName, ReferenceArchitecture> = {
  llama: LLAMA,
  gpt2: GPT2,
  bert: BERT,
};
