import type { Draws } from './draws.ts';

/** Share of letters and punctuation that become accented or typographic before the text is misread. */
const SHARE: [low: number, high: number] = [0.15, 0.35];

/** Characters outside ASCII that could stand in the place of one inside it. */
const VARIANTS = new Map(
  Object.entries({
    a: 'àáâãäå',
    c: 'ç',
    e: 'èéêë',
    i: 'ìíîï',
    n: 'ñ',
    o: 'òóôõö',
    u: 'ùúûü',
    y: 'ýÿ',
    "'": '‘’',
    '"': '“”',
    '-': '–—',
    '.': '…',
  }).flatMap(([plain, variants]) => [
    [plain, variants],
    [plain.toUpperCase(), variants.toUpperCase()],
  ]),
);

/** What windows-1252 has where Latin-1 has control characters, from 0x80 on; five places have the control character. */
export const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';
const FIRST_OWN = 0x80;

/**
 * Mojibake: 15-35% of the letters and punctuation marks that have accented or typographic variants become one, then
 * the text's UTF-8 is read as Latin-1 or as windows-1252.
 */
export function garbleEncoding(text: string, draws: Draws): string {
  const share = draws.uniform(...SHARE);
  const asWindows = draws.uniform() < 0.5;
  const accented = Array.from(text, (character) => {
    const variants = VARIANTS.get(character);
    return variants !== undefined && draws.uniform() < share ? draws.pick(variants) : character;
  }).join('');
  const misread = Buffer.from(accented, 'utf8').toString('latin1');
  return asWindows ? misread.replace(/[\x80-\x9f]/g, (byte) => WINDOWS_1252[byte.charCodeAt(0) - FIRST_OWN]) : misread;
}
