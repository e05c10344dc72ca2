import assert from "node:assert/strict";
import { test } from "node:test";
import { engineFault, exitCodeOf } from "./engine-error.js";

test("the engine's account is found behind what workerd puts before it", () => {
  const fault = { code: "CONTAINER_EXITED", message: "It ended with {code 3}.", exitCode: 3, lastLines: ['{"level":"fatal"}'] };
  const error = new Error(`Connecting to container port through proxy-everything failed: [502] Bad Gateway ${JSON.stringify(fault)}`);
  assert.deepEqual(engineFault(error), fault);
});

test("what is not such an account is none", () => {
  for (const message of ["Network connection lost.", "{", '{"code":7,"message":"x"}', '{"code":"START_FAILED"}']) {
    assert.equal(engineFault(new Error(message)), undefined, message);
  }
  assert.equal(engineFault("CONTAINER_EXITED"), undefined);
});

test("a code of the engine's own that has no meaning here is a failed start; a missing image is told apart", () => {
  const code = (given: string) => engineFault(new Error(JSON.stringify({ code: given, message: "x" })))?.code;
  assert.equal(code("NO_SPACE"), "START_FAILED");
  assert.equal(code("NOT_FOUND"), "IMAGE_UNAVAILABLE");
});

test("the exit code is a property", () => {
  assert.equal(exitCodeOf(Object.assign(new Error("x"), { exitCode: 4 })), 4);
  assert.equal(exitCodeOf(new Error("exit code: 4")), undefined);
});
