import { LongshoreError } from "@longshore/contract";

const HUB = /^(?:index\.)?docker\.io\/(?:library\/)?/;

/** Docker Hub's names as the `docker` command shows them; others as they are. */
export function familiarName(text: string): string {
  return text.replace(HUB, "");
}

const NAME = /^([A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_NAME = 255;

/**
 * The one form in which a local image's name is kept and shown, with its tag: Docker Hub's names without `docker.io/library/`, as the `docker` command
 * writes them. Errors: `INVALID_INPUT`.
 */
export function localName(text: string): string {
  const short = familiarName(text);
  const colon = short.indexOf(":", short.lastIndexOf("/") + 1);
  const name = colon < 0 ? short : short.slice(0, colon);
  const tag = colon < 0 ? "latest" : short.slice(colon + 1);
  if (name.length <= MAX_NAME && NAME.test(name) && TAG.test(tag)) return `${name}:${tag}`;
  throw new LongshoreError("INVALID_INPUT", `"${text}" is not a name for an image.`, {
    hint: "Write it as <name>:<tag>, in small letters.",
  });
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;
const LOCAL = "local@";

/** What the image store calls a local image: by its digest alone, since a name may come to mean another image. */
export function localReference(digest: string): string {
  return `${LOCAL}${digest}`;
}

/** The digest in a {@link localReference}; `undefined` for every other reference. */
export function digestInReference(reference: string): string | undefined {
  const digest = reference.startsWith(LOCAL) ? reference.slice(LOCAL.length) : "";
  return DIGEST.test(digest) ? digest : undefined;
}

/** The hex digits of a digest, which are its file's name. */
export function hexOf(digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex === undefined) throw new LongshoreError("INVALID_INPUT", `"${digest}" is not a sha256 digest.`);
  return hex;
}
