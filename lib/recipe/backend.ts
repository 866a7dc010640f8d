import type { z } from 'zod';
import { openBackend } from '../backend/open.ts';
import type { Backend } from '../backend/types.ts';
import type { backend } from './common-schema.ts';

/** `backend` of a recipe. */
export type BackendSettings = z.infer<typeof backend>;

/** Opens the backend that a recipe asks for. */
export function openRecipeBackend({ name, threads, ...options }: BackendSettings): Promise<Backend> {
  return openBackend(name, { threads: threads === 0 ? undefined : threads, ...options });
}
