import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../lib/cli/commands.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const DOCUMENTS = [
  'README.md',
  ...(await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];

describe('docs/cli.md agrees with the command line', async () => {
  const sections = new Map(
    (await read('docs/cli.md'))
      .split(/^## /m)
      .filter((section) => section.startsWith('gradfold '))
      .map((section) => [section.slice('gradfold '.length, section.indexOf('\n')), section]),
  );
  const names = COMMANDS.map(({ usage }) => usage.replace(/ [<[].*/, ''));

  test('it names every command and no other', () => {
    expect([...sections.keys()]).toEqual(names);
  });

  test.each(COMMANDS.map((command, i) => [names[i], command] as const))('%s: options and example', (name, command) => {
    const section = sections.get(name) ?? '';
    const documented = Array.from(section.matchAll(/^\| `([^`]+)` +\|/gm), ([, flags]) => flags);
    expect(documented).toEqual(command.options.map(({ flags }) => flags));
    expect(section).toContain(`\n${command.example}\n`);
  });

  test('the README names every command', async () => {
    const item = /^- \*\*Commands\*\*(?:.|\n)*?\.\n\n/m.exec(await read('README.md'))![0];
    expect(Array.from(item.matchAll(/`([^`]+)`/g), ([, name]) => name)).toEqual(names);
  });
});

test('docs/errors.md explains every code and no other', async () => {
  const type = /export type ErrorCode =\n([^;]*);/.exec(await read('lib/errors.ts').then(withoutComments))![1];
  const codes = Array.from(type.matchAll(/'(\w+)'/g), ([, code]) => code);
  const documented = Array.from((await read('docs/errors.md')).matchAll(/^\| `([A-Z_]+)` +\|/gm), ([, code]) => code);
  expect(codes.length).toBeGreaterThan(0);
  expect(documented).toEqual(codes);
});

const withoutComments = (source: string): string => source.replaceAll(/ *\/\/.*$/gm, '');

test('docs/dependencies.md lists every dependency and no other', async () => {
  const { dependencies, devDependencies } = JSON.parse(await read('package.json')) as Record<string, object>;
  const wanted = Object.keys({ ...dependencies, ...devDependencies }).map((name) =>
    name.replace(/^@types\/.*/, '@types/*'),
  );
  const rows = (await read('docs/dependencies.md')).matchAll(/^\| ([^|]+) \|/gm);
  const listed = Array.from(rows, ([, names]) => names.trim().split(', ')).flat();
  expect(listed.filter((name) => name !== 'package' && !/^-+$/.test(name)).sort()).toEqual([...new Set(wanted)].sort());
});

test.each(DOCUMENTS)('links of %s lead to files', async (path) => {
  const targets = Array.from((await read(path)).matchAll(/\]\(([^)#:]+)\)/g), ([, target]) => target);
  for (const target of targets) await access(join(ROOT, dirname(path), target));
});
