import { readSettings, type SettingName, up } from "@longshore/server";
import { type Command, text, type Values } from "../command.js";
import { edgeChecks } from "../doctor/edge.js";
import { requireReady } from "../doctor/require-ready.js";

const NUMBERS = new Set<SettingName>([
  "edgePort",
  "apiPort",
  "registryPort",
  "pool",
  "drain",
  "rolloutWatch",
  "startWait",
  "accountVcpu",
  "accountMemoryGib",
  "accountDiskGb",
  "snapshotDays",
  "imageStorageGb",
  "uid",
  "tlsPort",
  ...(["maxBody", "maxHead", "maxUrl", "maxConnections", "clientTimeout", "minUploadRate"] as const),
]);
const FLAGS: Readonly<Record<string, SettingName>> = {
  data: "data",
  listen: "listen",
  "edge-port": "edgePort",
  "api-port": "apiPort",
  "registry-port": "registryPort",
  domain: "domain",
  "tls-port": "tlsPort",
  "tls-cert": "tlsCert",
  "tls-key": "tlsKey",
  "tls-certificates": "tlsCertificates",
  acme: "acme",
  "acme-email": "acmeEmail",
  "acme-ca": "acmeCa",
  http: "http",
  "max-body": "maxBody",
  "max-head": "maxHead",
  "max-url": "maxUrl",
  "max-connections": "maxConnections",
  "client-timeout": "clientTimeout",
  "min-upload-rate": "minUploadRate",
  "rate-limits": "rateLimits",
  runtime: "runtime",
  runtimes: "runtimes",
  nested: "nested",
  "user-namespaces": "userNamespaces",
  pool: "pool",
  drain: "drain",
  "rollout-watch": "rolloutWatch",
  "rollout-on-crash": "rolloutOnCrash",
  "start-wait": "startWait",
  "account-vcpu": "accountVcpu",
  "account-memory-gib": "accountMemoryGib",
  "account-disk-gb": "accountDiskGb",
  "snapshot-days": "snapshotDays",
  "image-storage-gb": "imageStorageGb",
  "allow-outbound": "allowOutbound",
  resolvers: "resolvers",
  uid: "uid",
  country: "country",
  location: "location",
  region: "region",
};

export const upCommand: Command = {
  name: "up",
  summary: "start Longshore on this machine, in the foreground",
  help: `Usage: longshore up [options]

Starts the container engine, the registry, the API that wrangler talks to, and the edge that serves applications. Ctrl-C ends everything.

  --data <dir>             all state (default $LONGSHORE_DATA, else /var/lib/longshore), as for all commands
  --config <file>          JSON with the same names as these options, in camel case; and "registries", see docs/images.md
  --listen <address>       default 127.0.0.1
  --edge-port <port>       applications (default 8080; 0 = any free port, also for the next two)
  --api-port <port>        wrangler's API (default 8787)
  --registry-port <port>   images (default 5000)
  --domain <name>          applications are at <name>.<domain> (default localhost)
  --tls-port <port>        applications by HTTPS and HTTP/2, once there are certificates (default 8443)
  --tls-cert <file>, --tls-key <file>
                           a certificate with its chain, and its key (PEM); read again when they change
  --tls-certificates <dir> more of them: <name>.crt with <name>.key, or directories with fullchain.pem and privkey.pem
  --acme <authority>       have certificates issued: letsencrypt, letsencrypt-staging, or the URL of another ACME directory. You agree to its terms
  --acme-email <address>   where the authority writes to; --acme-ca <file>: certificate of a private authority's server
  --http serve|redirect    plain requests for hosts that have a certificate (default serve)
  --max-body <MiB>         of a request (default 0: any); --max-head <KiB> of its headers (32), --max-url <KiB> (16)
  --max-connections <n>    at the same time from one address (default 512); --client-timeout <s>: longest pause of a client (60)
  --min-upload-rate <n>    bytes a second that a request's body must have (default 0: any)
  --rate-limits <list>     requests a second by host, and a burst, as api.example.com=100:300,*=1000 (default none)
  --runtime <path>         OCI runtime: crun or runc, or a program that takes their arguments (default crun)
  --runtimes <name>=<path>[,…]   other runtimes for some applications, by the names that "containers list" shows
  --nested <name>[,…]      applications in which containers may be started (rootless Docker): more rights, within their user namespaces
  --user-namespaces on|off user ids of its own for each container (default on, where the machine can)
  --pool <n>               sandboxes kept ready for each container class, and more after a burst; 0: none (default as many as max_instances lets
                           start, at most 64 in all, which take 1 MiB each, and fewer where little memory is free)
  --drain <seconds>        how long a deploy waits for open WebSockets, streams and uploads before it ends them (default 10)
  --rollout-watch <seconds>     how long a rollout watches the new containers of a step before the next (default 10)
  --rollout-on-crash stop|revert|ignore
                           what a rollout does when a new container crashes (default stop); an application's own answer is the label
                           longshore/on-crash in its container's configuration
  --start-wait <seconds>   how long the start of a container waits for another to end where max_instances or the account is full (default 5)
  --account-vcpu <n>, --account-memory-gib <n>, --account-disk-gb <n>
                           what all containers that run may have together, by their instance types (default 1500, 6144, 30000)
  --snapshot-days <n>      unused snapshots are removed after (default 30)
  --image-storage-gb <n>   what all images in the registry may take, each layer counted once (default 50)
  --allow-outbound <list>  private addresses and networks that containers may reach, as 10.1.0.0/16,192.168.1.5 (default none)
  --resolvers <list>       DNS resolvers for containers' names, as 9.9.9.9,10.1.0.2:5353 (default those of /etc/resolv.conf)
  --uid <n>                user id of the server and the Workers (default 60737)
  --country <XX>, --location <name>, --region <name>
                           what containers are told of their place: CLOUDFLARE_COUNTRY_A2, CLOUDFLARE_LOCATION, CLOUDFLARE_REGION

Examples:
  longshore up
  longshore up --data /srv/longshore --domain apps.example.com --listen 0.0.0.0 --edge-port 80
  longshore up --domain apps.example.com --listen 0.0.0.0 --edge-port 80 --tls-port 443 --acme letsencrypt --http redirect`,
  options: { config: { type: "string" }, ...Object.fromEntries(Object.keys(FLAGS).map((name) => [name, { type: "string" as const }])) },
  async run(values, _words, output) {
    const settings = readSettings(flagSettings(values), text(values, "config"));
    await requireReady(settings);
    for (const { name, ok, found, fix } of edgeChecks(settings)) if (!ok) output.note(`${name}: ${found}. ${fix}.`);
    // From here on, so that a signal while it starts ends what is started.
    const ended = endSignal();
    void ended.then((signal) => output.note(`${signal}: ending containers and Workers …`));
    const installation = await up(settings, (message) => output.note(message));
    const { presence } = installation;
    output.print(`Longshore is up.
  Applications   ${presence.edgeUrl}${presence.edgeTlsUrl === undefined ? "" : `\n                 ${presence.edgeTlsUrl}`}
  API            ${presence.apiUrl}
  Registry       ${presence.registryHost}
  Account        ${presence.accountId}
  Token          ${presence.token}
Deploy an application from its directory:
  longshore deploy${values.data === undefined ? "" : ` --data ${settings.data}`}
Ctrl-C ends it.`);
    await ended;
    await installation.stop();
    return 0;
  },
};

function flagSettings(values: Values): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [flag, name] of Object.entries(FLAGS)) {
    const value = text(values, flag);
    if (value !== undefined) settings[name] = settingValue(name, value);
  }
  return settings;
}

function settingValue(name: SettingName, value: string): unknown {
  if (name === "runtimes" || name === "rateLimits") return pairs(value);
  if (name === "nested") return value.split(",");
  return NUMBERS.has(name) ? number(value) : value;
}

/** What is not a number stays text, so that the settings' own check names it. */
function number(value: string): number | string {
  return /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

/** What is not `name=value` gets an empty value, so that the settings' own check names it. */
function pairs(value: string): Record<string, string> {
  return Object.fromEntries(
    value.split(",").map((pair) => [pair.split("=", 1)[0] ?? "", pair.slice(pair.indexOf("=") + 1 || pair.length)]),
  );
}

async function endSignal(): Promise<string> {
  return await new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
  });
}
