import assert from "node:assert/strict";
import { rows } from "./row.js";

/** Several ports, and waiting for them. The program opens 8080 at once and 8081 two seconds later. */
export const portRows = rows("ports", {
  "`startAndWaitForPorts` waits for all ports that it is given": async (side) => {
    const box = side.fresh();
    await box.call("startAndWaitForPorts", { ports: [8080, 8081], startOptions: { envVars: { MESSAGE: "its own" } } });
    assert.equal((await box.send("container-fetch-port", "/8080/")).text, "Hello from 8080: its own");
    assert.equal((await box.send("container-fetch-port", "/8081/")).text, "Hello from 8081: its own");
  },
  "`startAndWaitForPorts(port)`, the form without an object": async (side) => {
    const box = side.fresh();
    await box.call("startAndWaitForPorts", 8081);
    assert.match((await box.send("switch-port", "/8081/")).text, /from 8081/);
  },
  "`requiredPorts` are waited for where no ports are given": async (side) => {
    const box = side.fresh("Required");
    await box.call("startAndWaitForPorts");
    assert.match((await box.send("container-fetch-port", "/8081/")).text, /from 8081/);
  },
  "`waitForPort` resolves with a number when the port has opened": async (side) => {
    const box = side.fresh();
    await box.call("startAndWaitForPorts", 8080);
    assert.equal(typeof (await box.call("waitForPort", { portToCheck: 8081 })), "number");
    assert.match((await box.send("container-fetch-port", "/8081/")).text, /from 8081/);
  },
  "`switchPort` leads `fetch` to another port": async (side) => {
    const box = await side.shared();
    assert.match((await box.send("switch-port", "/8081/")).text, /from 8081/);
  },
  "a request to a port that opens two seconds later is answered": async (side) => {
    const box = side.fresh();
    await box.call("startAndWaitForPorts", 8080);
    const { status, text } = await box.send("container-fetch-port", "/8081/");
    assert.deepEqual([status, text], [200, "Hello from 8081: the class's message"]);
  },
  "a request to a port on which nothing ever listens says which port": async (side) => {
    const box = await side.shared();
    const { status, text } = await box.send("container-fetch-port", "/9999/");
    assert.ok(status >= 500);
    assert.match(text, /not listening to port 9999/);
  },
  "waiting ends with an error after `portReadyTimeoutMS`": async (side) => {
    const cancellationOptions = { instanceGetTimeoutMS: 600, portReadyTimeoutMS: 600 };
    const waiting = side.fresh().call("startAndWaitForPorts", { ports: 9999, cancellationOptions });
    const ended = waiting.then(
      () => "in success",
      () => "with an error",
    );
    assert.equal(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 15_000, "not at all"))]), "with an error");
  },
  "waiting ends when `abort` says so": async (side) => {
    const began = Date.now();
    await assert.rejects(side.fresh().call("startAborted"));
    assert.ok(Date.now() - began < 18_000);
  },
  "`start` needs no port": async (side) => {
    const box = side.fresh("NoPort");
    await box.call("start");
    assert.ok(["running", "healthy"].includes(await box.status()));
  },
  "options given to the constructor": async (side) => {
    assert.equal((await side.fresh("Configured").started()).text, "Hello from 8081: the constructor's message");
  },
});
