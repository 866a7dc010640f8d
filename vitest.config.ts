import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Every test file opens its own engine threads: more workers than cores would only make them wait.
    maxWorkers: 2,
    pool: 'forks',
  },
});
