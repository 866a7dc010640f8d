import { stat } from 'node:fs/promises';
import { checkArray, checkInteger, checkObject, invalid } from '../check.ts';
import { readJsonLines } from '../data/readers/json-lines.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';

/** A question with a right choice. */
export interface ChoiceQuestion {
  question: string;
  choices: string[];
  /** Index of the right one. */
  answer: number;
}

const LETTER_A = 'A'.codePointAt(0)!;

/**
 * One question as it may be written: `answer` is the index of the right choice from 0, its letter (A is the first), or
 * its text. A text that is a choice counts as that choice before it counts as a letter.
 * @param name what to call it in messages
 * @throws GradfoldError INVALID_DATA naming the field that is wrong
 */
export function parseQuestion(name: string, value: unknown): ChoiceQuestion {
  checkObject(name, value);
  const { question, choices, answer } = value as Record<string, unknown>;
  const data = { code: 'INVALID_DATA' } as const;
  if (typeof question !== 'string') throw invalid(`${name}.question`, 'a text', question, data);
  if (!Array.isArray(choices) || choices.length < 2)
    throw invalid(`${name}.choices`, 'two texts or more', choices, data);
  choices.forEach((choice, i) => {
    if (typeof choice !== 'string' || choice === '') throw invalid(`${name}.choices[${i}]`, 'a text', choice, data);
  });
  return { question, choices: choices as string[], answer: answerIndex(`${name}.answer`, choices as string[], answer) };
}

function answerIndex(name: string, choices: string[], answer: unknown): number {
  const last = choices.length - 1;
  const index = typeof answer === 'string' ? indexOfText(choices, answer) : answer;
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= last) return index;
  const letters = `A to ${String.fromCodePoint(LETTER_A + last)}`;
  throw invalid(name, `an index in [0, ${last}], a letter ${letters}, or the text of a choice`, answer, {
    code: 'INVALID_DATA',
  });
}

function indexOfText(choices: string[], answer: string): number {
  const text = choices.indexOf(answer);
  if (text >= 0 || !/^[A-Za-z]$/.test(answer.trim())) return text;
  return answer.trim().toUpperCase().codePointAt(0)! - LETTER_A;
}

/**
 * Reads questions from a file of JSON lines {question, choices, answer} (.gz and .zst are unpacked); other fields are left alone, empty lines too.
 * @throws GradfoldError NOT_FOUND; INVALID_DATA naming the line and field that is wrong, or for a file without questions
 */
export async function readQuestions(path: string): Promise<ChoiceQuestion[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw fileError('read', path, cause);
  });
  const questions: ChoiceQuestion[] = [];
  for await (const row of readJsonLines({ path, name: path, size: found.size }, () => undefined)) {
    if (row.problem !== undefined) throw new GradfoldError('INVALID_DATA', `${row.place}: ${row.problem}`);
    questions.push(parseQuestion(row.place, row.fields));
  }
  if (questions.length === 0) throw invalid(path, 'at least one question', 'none', { code: 'INVALID_DATA' });
  return questions;
}

/** Checks questions that were made in memory. */
export function checkQuestions(questions: readonly ChoiceQuestion[]): void {
  checkArray('questions', questions);
  if (questions.length === 0) throw invalid('questions', 'at least one question', 'none');
  questions.forEach((question, i) => {
    const { choices } = parseQuestion(`questions[${i}]`, question);
    checkInteger(`questions[${i}].answer`, question.answer, 0, choices.length - 1);
  });
}
