export { type ShellAccess, SshGateway } from "./gateway.js";
