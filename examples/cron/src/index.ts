import { Container, getContainer } from "@longshore/containers";

interface Env {
  CRON_CONTAINER: DurableObjectNamespace<CronContainer>;
}

export class CronContainer extends Container {
  sleepAfter = "10s";

  override onStart() {
    console.log("Starting container");
  }

  override onStop() {
    console.log("Container stopped");
  }
}

export default {
  async fetch(): Promise<Response> {
    return new Response("This Worker runs a cron job to execute a container on a schedule.");
  },

  async scheduled(_controller: ScheduledController, env: Env): Promise<void> {
    const container = getContainer(env.CRON_CONTAINER);
    await container.start({ envVars: { MESSAGE: `Start Time: ${new Date().toISOString()}` } });
  },
};
