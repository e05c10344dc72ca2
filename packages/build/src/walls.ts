import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildRoot } from "./build-root.js";

/**
 * What the words of a Dockerfile, and the programs that its images bring, are kept behind. `RUN` is a container of crun's; and buildah itself, which goes
 * where a `RUN --mount` or a link in an image leads it, sees of the machine's files only its programs, the build root and what it was given to read.
 * The network is the machine's.
 */
export interface Walls {
  /** Files and directories that the build reads: its context, its secrets. Absolute. */
  readonly readable: readonly string[];
}

/** What programs need of `/etc`: nothing that is secret. */
const ETC = [
  ...["ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust", "ca-certificates", "crypto-policies"],
  ...["containers/certs.d", "alternatives", "ld.so.conf.d"],
  ...["ld.so.conf", "ld.so.cache", "resolv.conf", "hosts", "host.conf", "nsswitch.conf", "gai.conf", "services", "protocols"],
  ...["passwd", "group", "subuid", "subgid", "localtime", "mime.types"],
];
const RUNTIME = fileURLToPath(new URL("../bin/longshore-crun", import.meta.url));
const DEVICES = ["null 1 3", "zero 1 5", "full 1 7", "random 1 8", "urandom 1 9", "tty 5 0"];

/**
 * A shell script for a mount namespace of its own: makes a root directory, moves into it, and runs the rest of its arguments. Arguments: where the root is to
 * be, the build root, what may be read, `--`, a command. What is not there is left out. buildah takes "read-only" off what it mounts into a container:
 * what must not be written is an overlay without an upper side, or a copy; `/proc` cannot be written to, and of `/sys` there is nothing.
 */
const SCRIPT = `
set -e
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
new=$1 keep=$2
shift 2
show() {
  [ -e "$1" ] && ! [ -e "$new$1" ] || return 0
  if ! [ -d "$1" ]; then mkdir -p "$new\${1%/*}"; cp -L "$1" "$new$1"; return; fi
  mkdir -p "$new$1"
  # An overlay would not have what is mounted below, and has no names with these characters.
  if ! grep -qF " $1/" /proc/self/mountinfo; then
    case $1 in *[:,\\\\]*) ;; *) ! mount -t overlay -o "lowerdir=$1:$keep/empty" none "$new$1" 2>/dev/null || return 0 ;; esac
  fi
  mount --rbind "$1" "$new$1"
  mount -o remount,bind,ro "$new$1"
}
mount -t tmpfs -o mode=755 none "$new"
for path in /bin /sbin /lib /lib32 /lib64 /libx32 /usr; do
  if [ -L "$path" ]; then cp -P "$path" "$new$path"; else show "$path"; fi
done
for name in ${ETC.join(" ")}; do show "/etc/$name"; done
while [ "$1" != -- ]; do show "$1"; shift; done
shift
mkdir -p "$new/proc" "$new/sys/fs/cgroup" "$new/dev/shm" "$new/root" "$new/run" "$new/tmp" "$new/var/tmp" "$new/old"
chmod 1777 "$new/tmp" "$new/var/tmp" 2>/dev/null || :
mount -t proc -o ro none "$new/proc"
mount -t tmpfs none "$new/sys/fs/cgroup"
while read -r name minor; do mknod -m 666 "$new/dev/$name" c $minor; done <<end
${DEVICES.join("\n")}
end
ln -s /proc/self/fd "$new/dev/fd"
mkdir -p "$new/var/lib/containers/cache"
mount --bind /var/lib/containers/cache "$new/var/lib/containers/cache"
mkdir -p "$new$keep/empty"
for name in etc auth.json; do show "$keep/$name"; done
for name in storage run blob-cache work; do
  mkdir -p "$new$keep/$name"
  mount --bind "$keep/$name" "$new$keep/$name"
done
cd "$new"
pivot_root . old
umount -l /old
rmdir /old
cd /
exec "$@"
`;

/** The command that runs what is behind it within the walls; to be run in a mount namespace of its own. */
export function walled(root: BuildRoot, { readable }: Walls): string[] {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = root.environment;
  const certificates = [SSL_CERT_FILE, ...(SSL_CERT_DIR?.split(delimiter) ?? [])].filter((path) => path !== undefined && path !== "");
  return ["sh", "-c", SCRIPT, "longshore-walls", root.inside, root.root, ...readable, RUNTIME, ...(certificates as string[]), "--"];
}

/** Flags of `buildah bud`. With the machine's network, raw packets would be everybody's; and who could make devices would have its disks. */
export function runFlags(root: BuildRoot): string[] {
  return [
    ["--isolation", "oci", "--runtime", RUNTIME, "--runtime-flag", "cgroup-manager=disabled"],
    ["--cap-drop", "CAP_MKNOD", "--cap-drop", "CAP_NET_RAW"],
    // In place of the machine's control groups.
    ["--volume", `${root.empty}:/sys/fs/cgroup:ro`],
  ].flat();
}
