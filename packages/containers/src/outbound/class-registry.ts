import type { ClassHandlers } from "./precedence.js";

/** The Container classes of this Worker that have objects, by name. Functions do not travel to the proxy, names do. */
const classes = new Map<string, ClassHandlers>();
const names = new Map<ClassHandlers, string>();

/** The name under which {@link handlersOf} finds the class. Two classes of one name get different ones. */
export function registerClass(handlers: ClassHandlers, className: string): string {
  const known = names.get(handlers);
  if (known !== undefined) return known;
  let name = className;
  while (classes.has(name)) name += "'";
  classes.set(name, handlers);
  names.set(handlers, name);
  return name;
}

/** The class's handlers as they are now: they may be assigned at any time. `undefined` if no such class has an object here. */
export function handlersOf(name: string): ClassHandlers | undefined {
  return classes.get(name);
}
