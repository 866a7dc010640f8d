const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\' };

/** Text of an option in which \n, \t, \r and \\ stand for line break, tab, return and backslash, as shells pass them on. */
export function unescaped(text: string): string {
  return text.replace(/\\([ntr\\])/g, (_match, letter: string) => ESCAPES[letter]);
}
