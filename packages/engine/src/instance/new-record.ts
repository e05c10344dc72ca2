import { type ContainerClass, LongshoreError } from "@longshore/contract";
import type { OwnRun } from "../own/run.js";
import type { Sandbox } from "../sandbox/sandbox.js";
import type { RestoreRequest } from "../snapshot/restore-request.js";
import { instanceCommand, instanceEnvironment, ownEnvironment } from "./environment.js";
import type { Program, Programs } from "./programs.js";
import type { InstanceRecord } from "./record.js";
import { type Terms, termsOf } from "./terms.js";

/** What the Docker API's create asks for. */
export interface CreateRequest extends Terms {
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly restore?: RestoreRequest | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Set when it is the machine's owner who asks, not an application. */
  readonly own?: OwnRun | undefined;
}

/** Whose container it is. */
export interface InstanceOwner {
  readonly tenant: string;
  readonly name: string;
  readonly durableObjectId: string;
  readonly containerClass: ContainerClass;
}

/**
 * The record of a container that gets this sandbox: what it will run, with which environment, and where it is.
 * Errors: `INVALID_INPUT` when there is nothing to run, or the sandbox's file system does not have it: found before the start, so that the answer
 * can say which file is missing rather than "exited with 127".
 */
export function newRecord(owner: InstanceOwner, sandbox: Sandbox, request: CreateRequest, programs: Programs): InstanceRecord {
  const { containerClass, durableObjectId } = owner;
  const { config } = sandbox.image;
  const record: InstanceRecord = {
    id: sandbox.id,
    name: owner.name,
    tenant: owner.tenant,
    namespaceId: containerClass.namespaceId,
    durableObjectId,
    applicationId: containerClass.applicationId,
    version: containerClass.version,
    vcpu: containerClass.size.vcpu,
    memoryMib: containerClass.size.memoryMib,
    diskMb: containerClass.size.diskMb,
    image: containerClass.image,
    imageDigest: sandbox.image.digest,
    createdAt: new Date().toISOString(),
    argv: instanceCommand(config, request.command),
    environment: environmentOf(owner, sandbox, request),
    process: sandbox.process,
    ...(sandbox.place === undefined ? {} : { place: sandbox.place.number }),
    ...(request.restore === undefined ? {} : { restored: request.restore }),
    ...(request.labels === undefined ? {} : { labels: request.labels }),
    ...(request.own === undefined ? {} : { own: request.own }),
    status: "created",
  };
  const program = requireProgram(programs, sandbox, record);
  return { ...record, ...(program.runsByItself ? { executable: program.path } : {}), ...termsOf(request) };
}

function environmentOf(
  { containerClass, durableObjectId }: InstanceOwner,
  sandbox: Sandbox,
  request: CreateRequest,
): Record<string, string> {
  const common = {
    image: sandbox.image.config,
    home: sandbox.identity.home,
    hostname: request.own?.hostname ?? sandbox.id.slice(0, 12),
    requested: request.environment,
  };
  if (request.own !== undefined) return ownEnvironment(common, request.own.terminal);
  return instanceEnvironment({ ...common, containerClass, instanceId: sandbox.id, durableObjectId });
}

function requireProgram(programs: Programs, sandbox: Sandbox, { argv: [program], environment, image, restored }: InstanceRecord): Program {
  const hint = "Correct ENTRYPOINT or CMD in the Dockerfile, or `entrypoint` in the Container class, and deploy again.";
  if (program === undefined) throw new LongshoreError("INVALID_INPUT", `The image ${image} has no ENTRYPOINT and no CMD.`, { hint });
  const found = programs.find(sandbox, program, environment.PATH ?? "", restored !== undefined);
  if (found !== undefined) return found;
  throw new LongshoreError("INVALID_INPUT", `The entrypoint "${program}" is not an executable file in the image ${image}.`, { hint });
}
