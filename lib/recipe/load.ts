import { readFile } from 'node:fs/promises';
import { closest, distance } from 'fastest-levenshtein';
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { DEFAULT_METHOD, isMethod, RECIPE_METHODS, type AnyRecipe } from './methods.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Reads a recipe file; see {@link parseRecipe}. */
export async function loadRecipe(path: string): Promise<AnyRecipe> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new GradfoldError('NOT_FOUND', `recipe ${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
  return parseRecipe(text, path);
}

/**
 * Parses and checks a YAML recipe, filling in defaults.
 * @param name what to call the file in messages
 * @throws GradfoldError INVALID_ARGUMENT naming every wrong key with its line, and for an unknown key the nearest known one
 */
export function parseRecipe(text: string, name = 'recipe'): AnyRecipe {
  const lines = new LineCounter();
  // Merge keys let scorings share what they have in common.
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  if (document.errors.length > 0) {
    throw new GradfoldError(
      'INVALID_ARGUMENT',
      `${name}: not valid YAML: ${document.errors[0].message.split('\n')[0]}`,
    );
  }
  const content: unknown = document.toJS() ?? {};
  const method = (content as { method?: unknown }).method ?? DEFAULT_METHOD;
  if (!isMethod(method)) {
    const known = Object.keys(RECIPE_METHODS).join(', ');
    throw invalid(`${name}:${lineOf(document, lines, ['method'])}: method`, `one of ${known}`, method);
  }
  const { schema } = RECIPE_METHODS[method];
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const messages = result.error.issues.flatMap((issue) => describe(issue, { schema, document, lines }));
  throw new GradfoldError('INVALID_ARGUMENT', messages.map((message) => `${name}:${message}`).join('\n'));
}

/** What a message is made from. */
interface Source {
  schema: z.core.$ZodType;
  document: Document;
  lines: LineCounter;
}

function describe(issue: Issue, { schema, document, lines }: Source): string[] {
  if (issue.code !== 'unrecognized_keys') {
    const where = lineOf(document, lines, issue.path);
    return [`${where}: ${issue.path.join('.') || 'recipe'}: ${issue.message}`];
  }
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    const known = knownKeys(issue.path, schema, document);
    const near = closest(key, known);
    const suggestion =
      known.length > 0 && distance(key, near) <= Math.max(2, key.length / 2)
        ? `did you mean "${near}"?`
        : `known keys: ${known.join(', ')}`;
    return `${lineOf(document, lines, path)}: unknown key "${path.join('.')}"; ${suggestion}`;
  });
}

/** Keys whose value says which member of a union is meant. */
const DISCRIMINATORS = ['source', 'method'];

/** The keys that the schema of a recipe accepts at a path. */
function knownKeys(path: Path, recipe: z.core.$ZodType, document: Document): string[] {
  let schemas: z.core.$ZodType[] = [recipe];
  for (const step of path)
    schemas = schemas
      .flatMap(objects)
      .map((object) => child(object, step))
      .flat();
  const value = path.length > 0 ? document.getIn(path as string[]) : undefined;
  const shapes = schemas.flatMap(objects).map((object) => shapeOf(object));
  // Of a union's members, the one that the discriminator names.
  const chosen = shapes.filter((shape) =>
    DISCRIMINATORS.every((key) => !(key in shape) || !isMap(value) || literal(shape[key]) === value.get(key)),
  );
  return [...new Set((chosen.length > 0 ? chosen : shapes).flatMap((shape) => Object.keys(shape)))];
}

function shapeOf(schema: z.core.$ZodType): Record<string, z.core.$ZodType> {
  const { def } = schema._zod;
  return def.type === 'object' ? (def as z.core.$ZodObjectDef).shape : {};
}

function literal(schema: z.core.$ZodType): unknown {
  const { def } = schema._zod;
  return def.type === 'literal' ? (def as z.core.$ZodLiteralDef<z.core.util.Literal>).values[0] : undefined;
}

/** Unwraps defaults, optionals, what is transformed, and unions down to object and record schemas. */
function objects(schema: z.core.$ZodType): z.core.$ZodType[] {
  const def = schema._zod.def as {
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    options?: z.core.$ZodType[];
  };
  const inner = def.innerType ?? def.in;
  if (inner) return objects(inner);
  if (def.options) return def.options.flatMap(objects);
  return [schema];
}

function child(schema: z.core.$ZodType, key: PropertyKey): z.core.$ZodType[] {
  const def = schema._zod.def as { type: string; valueType?: z.core.$ZodType; element?: z.core.$ZodType };
  const each = def.valueType ?? def.element;
  if (each) return [each];
  const found = shapeOf(schema)[String(key)];
  return found ? [found] : [];
}

/** Line of the key at a path, or of the nearest ancestor that exists. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = depth > 1 ? document.getIn(path.slice(0, depth - 1) as string[], true) : document.contents;
    if (!isMap(parent)) continue;
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === path[depth - 1]);
    if (pair && isScalar(pair.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
  }
  return 1;
}
