import assert from "node:assert/strict";
import { test } from "node:test";
import { originHeaders, requestHeaders, responseHeaders } from "./headers.js";
import { readAddress, scriptOfHost } from "./route.js";

test("an address comes from Host, or from a target that is a whole URL", () => {
  assert.deepEqual(readAddress("/a?b", ["Host", "App.Localhost.:8080"]), {
    authority: "App.Localhost.:8080",
    host: "app.localhost",
    path: "/a?b",
  });
  assert.deepEqual(readAddress("http://x.localhost:1/p?q", ["host", "y"]), {
    authority: "x.localhost:1",
    host: "x.localhost",
    path: "/p?q",
  });
  assert.equal(readAddress("//double", ["Host", "a"])?.path, "//double");
  assert.equal(readAddress("/", ["Host", "[::1]:8080"])?.host, "[::1]");
  for (const [target, headers] of [
    ["/", []],
    ["/", ["Host", "a", "host", "a"]],
    ["/", ["Host", "a b"]],
    ["/", ["Host", "user@a"]],
    ["/", ["Host", ""]],
    ["*", ["Host", "a"]],
    ["ftp://a/", ["Host", "a"]],
    ["http://", ["Host", "a"]],
  ] as [string, string[]][]) {
    assert.equal(readAddress(target, headers), undefined, `${target} ${headers}`);
  }
});

test("one label before the domain is a script", () => {
  assert.equal(scriptOfHost("app.localhost", "localhost"), "app");
  assert.equal(scriptOfHost("app.apps.example.com", "apps.example.com"), "app");
  for (const host of ["localhost", ".localhost", "a.b.localhost", "applocalhost", "app.localhost.com"]) {
    assert.equal(scriptOfHost(host, "localhost"), undefined, host);
  }
});

test("headers between two neighbours stay there, repeated ones stay apart, and only the edge says where a request came from", () => {
  const origin = originHeaders("192.0.2.7", "https");
  const client = { ip: "192.0.2.7", protocol: "https", headers: origin, cf: '{"tlsVersion":"TLSv1.3"' } as const;
  const address = { authority: "app.localhost", host: "app.localhost", path: "/" };
  const headers = [
    ...["Host", "app.localhost", "X-A", "1", "Keep-Alive", "5", "x-a", "2", "Upgrade", "h2c", "X-Drop", "x"],
    ...["CF-Connecting-IP", "6.6.6.6", "longshore-cf", '{"country":"T1"}', "LONGSHORE-PROTO", "http", "Accept-Encoding", 'gzip "\u00fc"'],
  ];
  assert.deepEqual(requestHeaders({ headers, connection: "Upgrade, x-drop", client, httpProtocol: "HTTP/2" }, address, "0-LSH"), [
    ...["Host", "app.localhost", "X-A", "1", "x-a", "2", "Accept-Encoding", 'gzip "\u00fc"'],
    ...["X-Forwarded-Host", "app.localhost", "X-Forwarded-For", "192.0.2.7", "X-Real-IP", "192.0.2.7", "CF-Connecting-IP", "192.0.2.7"],
    ...["X-Forwarded-Proto", "https", "CF-Visitor", '{"scheme":"https"}', "Longshore-Proto", "https", "CF-Ray", "0-LSH"],
    ...["Longshore-Cf", '{"tlsVersion":"TLSv1.3","httpProtocol":"HTTP/2","clientAcceptEncoding":"gzip \\"\\u00fc\\""}'],
  ]);
  assert.deepEqual(responseHeaders(["Set-Cookie", "a", "Connection", "close", "Set-Cookie", "b"], "close", "1-LSH"), [
    ...["Set-Cookie", "a", "Set-Cookie", "b", "CF-Ray", "1-LSH"],
  ]);
});
