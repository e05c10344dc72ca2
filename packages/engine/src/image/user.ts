import { LongshoreError } from "@longshore/contract";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

/**
 * Who a container runs as. `user` is the image's USER (`name`, `uid`, either with `:group`), the two files are those of the image.
 * Errors: `INVALID_INPUT` for a name that the image does not have.
 */
export function resolveUser(user: string, passwd: string, group: string): Identity {
  const [name = "", groupName] = user.split(":", 2);
  const wanted = name === "" ? "0" : name;
  const entries = rows(passwd);
  const entry = entries.find((row) => row[0] === wanted) ?? entries.find((row) => row[2] === wanted);
  const uid = entry === undefined ? number(wanted, `USER ${user}`) : Number(entry[2]);
  const groups = rows(group);
  const gid = groupName === undefined ? Number(entry?.[3] ?? 0) : groupId(groupName, groups, user);
  const login = entry?.[0];
  const supplementary = login === undefined ? [] : groups.filter((row) => row[3]?.split(",").includes(login)).map((row) => Number(row[2]));
  return { uid, gid, groups: [...new Set(supplementary)], home: entry?.[5] || "/" };
}

function groupId(name: string, groups: string[][], user: string): number {
  const row = groups.find((candidate) => candidate[0] === name);
  return row === undefined ? number(name, `USER ${user}`) : Number(row[2]);
}

function number(text: string, what: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new LongshoreError("INVALID_INPUT", `The image's ${what} names "${text}", which is not in its /etc/passwd or /etc/group.`, {
    hint: "Create the user in the Dockerfile, or use a number.",
  });
}

function rows(file: string): string[][] {
  return file
    .split("\n")
    .filter((line) => line.includes(":"))
    .map((line) => line.split(":"));
}
