// A Worker whose class has outbound rules, and that forgot to export ContainerProxy.
import { Container, getContainer } from "@longshore/containers";

export class Guarded extends Container {
  defaultPort = 8080;
  deniedHosts = ["denied.com"];
}

export default { fetch: (request, env) => getContainer(env.GUARDED).fetch(request) };
