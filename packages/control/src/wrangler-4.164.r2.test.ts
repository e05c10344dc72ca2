import { WRANGLER_4_164 } from "./test-support/wrangler.js";
import { wranglerR2Suite } from "./test-support/wrangler-r2-suite.js";

wranglerR2Suite(WRANGLER_4_164);
