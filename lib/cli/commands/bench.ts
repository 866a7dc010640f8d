import { defineCommand } from '../command.ts';

const COMMAND = 'npm run bench';

export const bench = defineCommand({
  usage: 'bench',
  description: 'How to measure speed: the benchmarks live in the repository, not in the package.',
  example: 'gradfold bench',
  options: [],
  run: () =>
    Promise.resolve({
      json: { command: COMMAND },
      text: `In a checkout of gradfold: ${COMMAND}`,
    }),
});
