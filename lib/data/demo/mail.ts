import { isUtf8 } from 'node:buffer';
import PostalMime, { type Email } from 'postal-mime';
import { htmlToPlainText, tidy } from './html.ts';

/** A body that is a page, though its header calls it plain text. */
const PAGE = /^\s*(<!doctype\s+html|<html\b|<body\b)/i;
/** What a decoder puts where bytes are not of its character set. */
const REPLACEMENT = '\ufffd';

/**
 * The body of a raw message as plain text, without headers or attachments: its plain part, or its HTML part stripped
 * of markup. 8-bit text that states no character set and is not UTF-8 is taken as Latin-1.
 */
export async function mailBody(raw: Buffer): Promise<string> {
  const { text, html } = await parse(raw);
  const body = text?.trim() ? text : htmlToPlainText(html ?? '');
  return tidy(PAGE.test(body) ? htmlToPlainText(body) : body);
}

async function parse(raw: Buffer): Promise<Email> {
  const email = await PostalMime.parse(raw);
  const garbled = `${email.text ?? ''}${email.html ?? ''}`.includes(REPLACEMENT);
  return garbled && !isUtf8(raw) ? PostalMime.parse(Buffer.from(raw.toString('latin1'))) : email;
}
