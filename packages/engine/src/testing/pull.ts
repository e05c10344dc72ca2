import { RegistryImageSource } from "../image/registry/source.js";

// Pulls one blob as an engine does, in a process that can be killed: <directory> <host> <image> <digest>.
const [directory = "", host = "", image = "", digest = ""] = process.argv.slice(2);
const source = await RegistryImageSource.open({
  directory,
  registries: { [host]: { username: "me", password: "secret", insecure: true } },
});
await source.blob(digest, image);
