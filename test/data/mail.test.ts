import { describe, expect, it } from 'vitest';
import { mailBody } from '../../lib/data/demo/mail.ts';

const message = (headers: string[], body: string | Buffer) =>
  Buffer.concat([
    Buffer.from(
      `From: a@example.org\r\nSubject: SECRET SUBJECT\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`,
    ),
    Buffer.from(body as string),
  ]);

describe('mailBody', () => {
  it('drops headers and tidies line ends', async () => {
    expect(await mailBody(message([], 'Hello,\r\n\r\n\r\n\r\nbody.  \r\n'))).toBe('Hello,\n\nbody.');
  });

  it('takes the plain part of a multipart message, without attachments', async () => {
    const raw = message(
      ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=B'],
      [
        '--B\r\nContent-Type: multipart/alternative; boundary=C\r\n',
        '--C\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain part\r\n',
        '--C\r\nContent-Type: text/html\r\n\r\n<p>html part</p>\r\n--C--\r\n',
        '--B\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\nattached bytes\r\n--B--\r\n',
      ].join('\r\n'),
    );
    expect(await mailBody(raw)).toBe('plain part');
  });

  it('strips HTML, link targets and scripts', async () => {
    const html =
      '<html><script>x()</script><h1>Big Sale</h1><p>Buy <a href="http://x.test/">now</a> &amp; save</p></html>';
    const expected = 'Big Sale\n\nBuy now & save';
    expect(await mailBody(message(['MIME-Version: 1.0', 'Content-Type: text/html'], html))).toBe(expected);
    expect(await mailBody(message(['Content-Type: text/plain'], html))).toBe(expected);
  });

  it('takes 8-bit text without a character set as Latin-1 unless it is UTF-8', async () => {
    expect(await mailBody(message([], Buffer.from('caf\xe9 cr\xe8me', 'latin1')))).toBe('café crème');
    expect(await mailBody(message([], 'café crème'))).toBe('café crème');
  });

  it('honours a stated character set and transfer encoding', async () => {
    const stated = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=iso-8859-1'];
    const latin = Buffer.from('d\xe9j\xe0 vu', 'latin1');
    expect(await mailBody(message(stated, latin))).toBe('déjà vu');
    const base64 = [...stated, 'Content-Transfer-Encoding: base64'];
    expect(await mailBody(message(base64, latin.toString('base64')))).toBe('déjà vu');
    const quoted = [...stated, 'Content-Transfer-Encoding: quoted-printable'];
    expect(await mailBody(message(quoted, 'd=E9j=E0=\r\n vu'))).toBe('déjà vu');
  });

  it('gives nothing for a message that is only an attachment', async () => {
    const headers = ['Content-Type: image/gif', 'Content-Transfer-Encoding: base64', 'Content-Disposition: attachment'];
    expect(await mailBody(message(headers, 'R0lGODlhAQABAAAAACw='))).toBe('');
  });
});
