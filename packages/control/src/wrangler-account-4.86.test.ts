import { WRANGLER_4_86 } from "./test-support/wrangler.js";
import { wranglerAccountSuite } from "./test-support/wrangler-account-suite.js";

wranglerAccountSuite(WRANGLER_4_86);
