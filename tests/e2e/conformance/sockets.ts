import assert from "node:assert/strict";
import { once } from "node:events";
import { eventually } from "@longshore/testkit";
import { rows } from "./row.js";

const SOON_MS = 60_000;

export const socketRows = rows("WebSocket", {
  "messages reach the program and come back": async (side) => {
    const box = await side.shared();
    const socket = box.webSocket("/socket");
    const heard: string[] = [];
    socket.on("message", (data) => heard.push(String(data)));
    await once(socket, "open");
    socket.send("hello");
    await eventually("the echo", SOON_MS, () => heard.length === 2 || undefined);
    assert.deepEqual(heard, ["welcome", "hello"]);
    socket.close();
  },
  "text stays text, binary stays binary, a hundred stay in order": async (side) => {
    const box = await side.shared();
    const socket = box.webSocket("/socket");
    const heard: string[] = [];
    socket.on("message", (data, isBinary) => heard.push(`${String(data)} ${isBinary}`));
    await once(socket, "open");
    const sent = Array.from({ length: 100 }, (_, index) => ({ word: `message ${index}`, isBinary: index % 3 === 0 }));
    for (const { word, isBinary } of sent) socket.send(isBinary ? Buffer.from(word) : word);
    await eventually("all echoes", SOON_MS, () => heard.length === 101 || undefined);
    assert.deepEqual(
      heard.slice(1),
      sent.map(({ word, isBinary }) => `${word} ${isBinary}`),
    );
    socket.close();
  },
  "the program's close reaches the client with its code": async (side) => {
    const box = await side.shared();
    const socket = box.webSocket("/socket?close=4001");
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 4001);
  },
});
