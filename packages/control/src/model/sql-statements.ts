/**
 * Quoted text and names, comments, words, ends of statements, and all else a character at a time. A doubled quote reads as two texts side by side.
 * What is not closed goes on to the end, as it does for SQLite; looking for the close of each such mark again would take the square of the text's length.
 */
const TOKEN = /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[A-Za-z_][\w$]*|\s+|[\s\S]/g;
const TRIGGER = /^CREATE (?:TEMP |TEMPORARY )?TRIGGER$/;

/**
 * The statements of an SQL text, without their semicolons, comments in front kept. What has no statement in it gives none.
 * Semicolons inside of a trigger's body do not end a statement.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  let isTrigger = false;
  let depth = 0;
  let empty = true;
  for (const { 0: token, index } of sql.matchAll(TOKEN)) {
    if (token === ";" && depth <= 0) {
      if (!empty) statements.push(sql.slice(start, index).trim());
      start = index + 1;
      words = [];
      isTrigger = false;
      depth = 0;
      empty = true;
      continue;
    }
    if (/^\s|^--|^\/\*/.test(token)) continue;
    empty = false;
    const word = token.toUpperCase();
    if (words.length < 3) {
      words.push(word);
      isTrigger ||= TRIGGER.test(words.join(" "));
    }
    if (isTrigger) depth += blockDepth(word);
  }
  if (!empty) statements.push(sql.slice(start).trim());
  return statements;
}

function blockDepth(word: string): number {
  if (word === "BEGIN" || word === "CASE") return 1;
  return word === "END" ? -1 : 0;
}
