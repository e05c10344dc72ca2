import { after, before, test } from "node:test";
import { Platform, type PlatformOptions } from "./platform.js";

export interface PlatformSuite {
  /** The platform; only inside of tests. */
  readonly platform: Platform;
  /** A test that prints the platform's logs when it fails. */
  test(name: string, body: (platform: Platform) => Promise<void>): void;
}

export interface SuiteOptions extends PlatformOptions {
  /** What all tests need, such as a first deploy. */
  readonly prepare?: (platform: Platform) => Promise<void>;
}

/** One platform for all tests of a file, which run in order. */
export function platformSuite({ prepare, ...options }: SuiteOptions = {}): PlatformSuite {
  let started: Platform | undefined;
  before(async () => {
    started = await Platform.start(options);
    await loggingFailure(started, prepare);
  });
  after(async () => {
    await started?.[Symbol.asyncDispose]();
  });
  const suite: PlatformSuite = {
    get platform() {
      if (started === undefined) throw new Error("The platform is there only inside of tests.");
      return started;
    },
    test(name, body) {
      void test(name, async () => {
        await loggingFailure(suite.platform, body);
      });
    },
  };
  return suite;
}

/** Prints the platform's logs when `body` fails. */
async function loggingFailure(platform: Platform, body?: (platform: Platform) => Promise<void>): Promise<void> {
  try {
    await body?.(platform);
  } catch (error) {
    console.error(platform.logs());
    throw error;
  }
}
