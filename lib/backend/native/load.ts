import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** An addon, or why it is not there and the command that mends it. */
export type Loaded<Addon> = { addon: Addon } | { reason: string };

/**
 * Loads an addon.
 * @param place beside lib/backend
 * @param name as messages call it
 * @param build the command that builds it
 */
export function loadAddonFile<Addon>(place: string, name: string, build: string): Loaded<Addon> {
  if (process.env.GRADFOLD_NO_ADDON) return { reason: 'switched off by GRADFOLD_NO_ADDON' };
  const path = fileURLToPath(new URL(`../${place}`, import.meta.url));
  if (!existsSync(path)) return { reason: `${name} has not been built; run: ${build}` };
  try {
    return { addon: createRequire(import.meta.url)(path) as Addon };
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { reason: `${name} does not load (${message}); run: ${build}` };
  }
}
