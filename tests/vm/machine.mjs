// A virtual machine in qemu: emulated where the processor or this machine's owner gives no virtualization.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/**
 * Boots and waits until the machine switches itself off. Its console goes to `output`. Resolves with true, or with false when the deadline has
 * passed and the machine was killed.
 */
export async function boot({ kernel, initramfs, disk, shared, parameters, deadlineMs, output }) {
  // A guest of some other virtual machine may have the device without the processor's help.
  const virtualized = existsSync("/dev/kvm") && /\b(vmx|svm)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  // The kernel hands words of this form to its first program.
  const environment = Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  const share = (tag, path, readonly) =>
    `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${readonly ? ",readonly=on" : ""}`;
  const args = [
    ...["-accel", virtualized ? "kvm" : "tcg,thread=multi,tb-size=1024", "-cpu", "max", "-smp", "2", "-m", "4G"],
    ...[
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display",
      "none",
      "-nic",
      "none",
      "-serial",
      "stdio",
      "-device",
      "virtio-rng-pci",
    ],
    ...["-kernel", kernel, "-initrd", initramfs, "-append", `console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off ${environment}`],
    ...["-drive", `file=${disk},if=virtio,format=raw,cache=unsafe,discard=unmap`],
    ...["-virtfs", share("host", "/", true), "-virtfs", share("vm", shared, false)],
  ];
  // Emulation takes all the time it can get: everything else on this machine goes first.
  const child = spawn("nice", ["-n", "10", "qemu-system-x86_64", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.pipe(output, { end: false });
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...end) => resolve(end));
  }).finally(() => clearTimeout(timer));
  if (code !== 0 && signal === null) throw new Error(`qemu ended with ${code}; its reason is above.`);
  return signal === null;
}
