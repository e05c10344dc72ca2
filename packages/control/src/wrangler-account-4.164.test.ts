import { WRANGLER_4_164 } from "./test-support/wrangler.js";
import { wranglerAccountSuite } from "./test-support/wrangler-account-suite.js";

wranglerAccountSuite(WRANGLER_4_164);
