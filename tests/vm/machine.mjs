// A virtual machine in qemu: emulated where the processor or this machine's owner gives no virtualization.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/**
 * Boots and waits until the machine switches itself off. Its console goes to `output`. Resolves with true, or with false when `signal` was aborted and
 * the machine killed.
 */
export async function boot({ kernel, initramfs, disk, shared, parameters, signal, output }) {
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
  signal.addEventListener("abort", () => child.kill("SIGKILL"), { once: true });
  const [code, killed] = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...end) => resolve(end));
  });
  if (code !== 0 && killed === null) throw new Error(`qemu ended with ${code}; its reason is above.`);
  return killed === null;
}
