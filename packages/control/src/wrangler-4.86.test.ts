import { WRANGLER_4_86 } from "./test-support/wrangler.js";
import { wranglerSuite } from "./test-support/wrangler-suite.js";

wranglerSuite(WRANGLER_4_86);
