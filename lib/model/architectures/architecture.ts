import { checkInteger } from '../../check.ts';
import { GradfoldError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import type { TensorSpec } from '../layout.ts';
import type { TransformerShape } from '../shape.ts';

/** The tensors and formulas a model type has; llama and mistral share theirs. */
export type ArchitectureName = 'llama' | 'gpt2' | 'bert';

/** One model type: how its configuration is read and written, and what its checkpoints hold. */
export interface Architecture {
  name: ArchitectureName;
  /** transformers' class of the model with its head, and of the backbone alone. */
  classes: { language: string; backbone: string };
  /** Checks a configuration and resolves its defaults as transformers does. */
  shape(config: ModelConfig): TransformerShape;
  /** Everything up to the last hidden state, in layout order. */
  backbone(shape: TransformerShape, config: ModelConfig): TensorSpec[];
  /** What turns hidden states into logits, tied matrices aside. */
  head(shape: TransformerShape): TensorSpec[];
  /** How names begin in the backbone; checkpoints of a backbone alone leave it out. */
  backbonePrefix: string;
  headPrefix: string;
  /** Tensors of real checkpoints that are no parameters of ours: buffers, other heads, copies of tied matrices. */
  ignored(shape: TransformerShape): RegExp[];
  /** Endings of tensor names in old checkpoints, and what they are called now. */
  renamed: [old: RegExp, name: string][];
  /** Fields spelled out in config.json, for all versions of transformers to agree about. */
  savedFields(config: ModelConfig, shape: TransformerShape): Record<string, unknown>;
}

/** Values of a field that leave the mathematics as implemented. */
export type SupportedValues = [field: string, values: unknown[]][];

/** Anything but the supported values is refused rather than ignored. @throws GradfoldError UNSUPPORTED */
export function checkSupported(config: ModelConfig, supported: SupportedValues): void {
  for (const [field, values] of supported) {
    const value = config[field];
    if (value === undefined || values.includes(value)) continue;
    const list = values.map((known) => JSON.stringify(known)).join(', ');
    throw new GradfoldError(
      'UNSUPPORTED',
      `${field}: only ${list} ${values.length > 1 ? 'are' : 'is'} supported, got ${JSON.stringify(value)}`,
    );
  }
}

/** hidden / heads, which must be whole. */
export function headSize(hiddenSize: number, heads: number, name: string): number {
  return checkInteger(name, hiddenSize / heads, 1);
}

/** Index of the embedding row that starts as zeros; negative ids count from the end, as in PyTorch. */
export function paddingRow(config: ModelConfig, shape: TransformerShape, missing: number | null): number | undefined {
  const id = config.pad_token_id === undefined ? missing : config.pad_token_id;
  if (id === null) return undefined;
  checkInteger('pad_token_id', id, -shape.vocabSize, shape.vocabSize - 1);
  return id < 0 ? id + shape.vocabSize : id;
}

/** The two exact forms of the Gaussian error linear unit under transformers' names. */
export const GELUS: Record<string, 'gelu' | 'gelu_new'> = {
  gelu: 'gelu',
  gelu_new: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
};
