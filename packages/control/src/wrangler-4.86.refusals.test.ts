import { WRANGLER_4_86 } from "./test-support/wrangler.js";
import { wranglerRefusalsSuite } from "./test-support/wrangler-refusals-suite.js";

wranglerRefusalsSuite(WRANGLER_4_86);
