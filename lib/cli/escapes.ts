const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\' };

/** Text of an option in which \n, \t, \r and \\ stand for line break, tab, return and backslash, as shells pass them on. */
export function unescaped(text: string): string {
  return text.replace(/\\([ntr\\])/g, (_match, letter: string) => ESCAPES[letter]);
}

/** The reverse, for messages and tables. */
export function escaped(text: string): string {
  const letterOf = (character: string) => Object.keys(ESCAPES).find((letter) => ESCAPES[letter] === character)!;
  return text.replace(/[\n\t\r\\]/g, (character) => `\\${letterOf(character)}`);
}

/** Parser of an option that may be given several times. */
export function collect(parse: (text: string) => string = String) {
  return (text: string, before: string[] | undefined): string[] => [...(before ?? []), parse(text)];
}
