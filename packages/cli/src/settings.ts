/** The environment that this command was called with: what it passes on to wrangler. */
export function inheritedEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}
