import { WRANGLER_4_164 } from "./test-support/wrangler.js";
import { wranglerSuite } from "./test-support/wrangler-suite.js";

wranglerSuite(WRANGLER_4_164);
