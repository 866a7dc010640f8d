import { InvalidArgumentError } from 'commander';

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\' };

/** Text as it may be typed on a command line: \n, \t, \r and \\ stand for what they do in most languages. */
export function unescaped(text: string): string {
  return text.replace(/\\(.?)/gs, (_, letter: string) => {
    if (letter in ESCAPES) return ESCAPES[letter];
    throw new InvalidArgumentError(`expected \\n, \\t, \\r or \\\\ after a backslash, got \\${letter}`);
  });
}

/** The reverse, for messages and tables. */
export const escaped = (text: string): string =>
  text.replace(
    /[\n\t\r\\]/g,
    (character) => `\\${Object.keys(ESCAPES).find((letter) => ESCAPES[letter] === character)!}`,
  );

/** Parser of an option that may be given several times. */
export function collect(parse: (text: string) => string = String) {
  return (text: string, before: string[] | undefined): string[] => [...(before ?? []), parse(text)];
}
