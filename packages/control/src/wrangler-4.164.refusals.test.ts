import { WRANGLER_4_164 } from "./test-support/wrangler.js";
import { wranglerRefusalsSuite } from "./test-support/wrangler-refusals-suite.js";

wranglerRefusalsSuite(WRANGLER_4_164);
