import { GradfoldError } from '../errors.ts';
import { readJsonObject } from '../files.ts';
import { transformerShape } from '../model/architectures/index.ts';
import type { ModelConfig } from '../model/config.ts';

/**
 * A config.json that is no part of a model directory.
 * @throws GradfoldError naming the file: none there, no JSON, or not the configuration of a model that there is
 */
export async function readModelConfig(path: string): Promise<ModelConfig> {
  const config = (await readJsonObject(path)) as unknown as ModelConfig;
  try {
    transformerShape(config);
  } catch (error) {
    if (!(error instanceof GradfoldError)) throw error;
    throw new GradfoldError(error.code, `${path}: ${error.message}`);
  }
  return config;
}
