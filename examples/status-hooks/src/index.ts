import { Container, getContainer, type StopParams } from "@longshore/containers";

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
}

export class MyContainer extends Container {
  defaultPort = 4000;
  sleepAfter = "5m";

  override onStart() {
    console.log("Container successfully started");
  }

  override onStop(stopParams: StopParams) {
    if (stopParams.exitCode === 0) console.log("Container stopped gracefully");
    else console.log("Container stopped with exit code:", stopParams.exitCode);
    console.log("Container stop reason:", stopParams.reason);
  }

  override async onActivityExpired() {
    console.log("Container became idle, stopping it now");
    await this.stop();
  }

  override onError(error: unknown) {
    console.log("Container error:", error);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return getContainer(env.MY_CONTAINER).fetch(request);
  },
};
