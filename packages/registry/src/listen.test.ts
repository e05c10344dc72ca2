import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { type Listening, type ListenOptions, listenTlsAndPlain } from "./listen.js";

const TLS = certificate();

const echo: ListenOptions["handler"] = async (req, res) => {
  res.end(Buffer.concat([Buffer.from("encrypted" in req.socket ? "tls " : "plain "), await buffer(req)]));
};

test("one port speaks TLS and plain HTTP, with bodies of any size", async () => {
  await using on = await listening(echo);
  for (const size of [0, 10, 5_000_000]) {
    const body = randomBytes(size);
    for (const scheme of ["plain", "tls"] as const) {
      const answer = await send(scheme, on.port, body);
      assert.ok(answer.equals(Buffer.concat([Buffer.from(`${scheme} `), body])), `${scheme} ${size}`);
    }
  }
});

test("a first byte that comes alone, a client that says nothing, and garbage do no harm", async () => {
  await using on = await listening(echo);
  const slow = connect(on.port, "127.0.0.1");
  slow.write("G");
  await once(slow, "connect");
  await send("plain", on.port, Buffer.from("others are served meanwhile"));
  slow.end("ET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  assert.match((await buffer(slow)).toString(), /200 OK[\s\S]*plain/);

  const silent = connect(on.port, "127.0.0.1");
  await once(silent, "connect");
  silent.destroy();
  const garbage = connect(on.port, "127.0.0.1");
  garbage.end("\x16garbage");
  garbage.resume();
  garbage.on("error", () => garbage.destroy());
  await once(garbage, "close");
  assert.ok((await send("tls", on.port, Buffer.from("x"))).equals(Buffer.from("tls x")));
});

test("closing lets a running request end, and takes no more", async () => {
  let finish = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let answer = (): void => undefined;
  const on = await listening((_req, res) => {
    answer = () => res.end("done");
    finish();
  });
  const request = send("plain", on.port, Buffer.alloc(0));
  await arrived;
  const closed = on.close();
  answer();
  assert.equal((await request).toString(), "done");
  await closed;
  await assert.rejects(send("plain", on.port, Buffer.alloc(0)), { code: "ECONNREFUSED" });
});

test("a port that is taken is named, with what to do", async () => {
  await using on = await listening(echo);
  await assert.rejects(listenTlsAndPlain({ host: "127.0.0.1", port: on.port, tls: undefined, handler: echo }), (error) => {
    assert.ok(error instanceof LongshoreError && error.code === "CONFLICT");
    assert.match(error.text, new RegExp(`Port ${on.port} on 127.0.0.1 is already taken.*another port`));
    return true;
  });
});

async function listening(handler: ListenOptions["handler"]): Promise<Listening & AsyncDisposable> {
  const server = await listenTlsAndPlain({ host: "127.0.0.1", port: 0, tls: TLS, handler });
  return { ...server, [Symbol.asyncDispose]: server.close };
}

async function send(scheme: "plain" | "tls", port: number, body: Buffer): Promise<Buffer> {
  const options = { host: "127.0.0.1", port, method: "POST", agent: false } as const;
  const request = scheme === "plain" ? httpRequest(options) : httpsRequest({ ...options, ca: TLS.cert, servername: "localhost" });
  const response = once(request, "response");
  request.end(body);
  const [message] = await response;
  return buffer(message);
}

function certificate(): { key: Buffer; cert: Buffer } {
  const directory = mkdtempSync(join(tmpdir(), "longshore-tls-"));
  try {
    const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", ...curve, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
