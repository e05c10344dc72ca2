export { type ShellAccess, SshGateway } from "./gateway.js";
export { assertPublicKey } from "./keys.js";
