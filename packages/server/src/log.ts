/** One JSON object a line: for machines first, and short enough for people. */
export function logLine(level: "info" | "warn" | "error", message: string, facts: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...facts })}\n`);
}

export const log = {
  info: (message: string, facts?: Readonly<Record<string, unknown>>) => logLine("info", message, facts),
  warn: (message: string, facts?: Readonly<Record<string, unknown>>) => logLine("warn", message, facts),
  error: (message: string, facts?: Readonly<Record<string, unknown>>) => logLine("error", message, facts),
};
