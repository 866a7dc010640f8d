import { LanguageModel } from '../../model/language-model.ts';
import { FILES, type RunContext } from '../context.ts';
import { TRAINING_FILES } from '../training.ts';

/** Calls `use` with the small model that scores, and disposes of it afterwards. */
export async function withAnnotator<T>(context: RunContext, use: (model: LanguageModel) => Promise<T>): Promise<T> {
  const model = await LanguageModel.fromPretrained(context.path(FILES.pretrain, TRAINING_FILES.model), {
    backend: await context.backend(),
  });
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}
