import { WRANGLER_4_164 } from "./test-support/wrangler.js";
import { wranglerR2RulesSuite } from "./test-support/wrangler-r2-rules-suite.js";

wranglerR2RulesSuite(WRANGLER_4_164);
