import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstAnswer } from "./first-answer.js";

const isBare = (request: string, ...answers: string[]) => {
  const first = new FirstAnswer();
  first.asks(Buffer.from(request));
  return answers.map((answer) => first.isBare(Buffer.from(answer)));
};

test("a first answer without a body is told from all others", () => {
  const GET = "GET / HTTP/1.1\r\n\r\n";
  const empty = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\nDate: y\r\n\r\n";
  const cases: [string, string[], boolean[]][] = [
    [GET, [empty], [true]],
    [GET, [empty, empty], [true, false]],
    [GET, ["HTTP/1.1 204 No Content\r\n\r\n"], [true]],
    [GET, ["HTTP/1.1 304 Not Modified\r\ncontent-length: 12\r\n\r\n"], [true]],
    ["HEAD / HTTP/1.1\r\n\r\n", ["HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"], [true]],
    [GET, ["HTTP/1.1 100 Continue\r\n\r\n", empty], [false, true]],
    [GET, ["HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"], [false]],
    [GET, ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore"], [false]],
    [GET, ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"], [false]],
    [GET, ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], [false]],
    [GET, ["HTTP/1.1 101 Switching Protocols\r\n\r\n", empty], [false, false]],
    [GET, ["+PONG\r\n\r\n"], [false]],
    ["", [""], [false]],
  ];
  for (const [request, answers, expected] of cases) assert.deepEqual(isBare(request, ...answers), expected, answers.join());
});
