/** Quoted text and names, comments, words, ends of statements, and all else a character at a time. A doubled quote reads as two texts side by side. */
const TOKEN = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_][\w$]*|\s+|[\s\S]/g;
const TRIGGER = /^CREATE (?:TEMP |TEMPORARY )?TRIGGER$/;

/**
 * The statements of an SQL text, without their semicolons, comments in front kept. What has no statement in it gives none.
 * Semicolons inside of a trigger's body do not end a statement.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let words: string[] = [];
  let depth = 0;
  let empty = true;
  for (const { 0: token, index } of sql.matchAll(TOKEN)) {
    if (token === ";" && depth <= 0) {
      if (!empty) statements.push(sql.slice(start, index).trim());
      start = index + 1;
      words = [];
      depth = 0;
      empty = true;
      continue;
    }
    if (/^\s|^--|^\/\*/.test(token)) continue;
    empty = false;
    const word = token.toUpperCase();
    if (words.length < 3) words.push(word);
    if (TRIGGER.test(words.join(" ")) || TRIGGER.test(words.slice(0, 2).join(" "))) depth += blockDepth(word);
  }
  if (!empty) statements.push(sql.slice(start).trim());
  return statements;
}

function blockDepth(word: string): number {
  if (word === "BEGIN" || word === "CASE") return 1;
  return word === "END" ? -1 : 0;
}
