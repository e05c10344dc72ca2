#!/bin/busybox sh
# First program of the virtual machine. Its root file system is this machine's own, read-only, below a writable layer on a disk of its own.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

fail() {
  echo "vm: $1"
  poweroff -f
}

# One that is missing is in the kernel itself, or the mount that needs it says so below.
for module in virtio_pci virtio_blk virtio_rng 9pnet_virtio 9p crc32c_generic ext4 overlay; do modprobe -q "$module"; done

share=trans=virtio,version=9p2000.L,msize=512000
mkdir -p /host /disk /root
mount -t 9p -o "ro,cache=loose,$share" host /host || fail "the host's files cannot be mounted"
mount -t ext4 /dev/vda /disk || fail "the disk cannot be mounted"
mkdir -p /disk/upper /disk/work /disk/tmp /disk/longshore
chmod 1777 /disk/tmp
mount -t overlay -o lowerdir=/host,upperdir=/disk/upper,workdir=/disk/work overlay /root || fail "overlay cannot be mounted"

mkdir -p /below
mount --bind "/root$repository" /below || fail "the repository is not there"

mkdir -p /root/var/lib/longshore /root/vm "/root/lib/modules/$(uname -r)"
mount --bind /disk/tmp /root/tmp
mount --bind /disk/longshore /root/var/lib/longshore
mount -t tmpfs -o mode=755 tmpfs /root/run
# The repository as it was; npm's packages, which are not on the disk, stay those of the machine around.
mkdir -p "/root$repository"
mount --bind /disk/repository "/root$repository"
(cd /below && find . -maxdepth 3 -name node_modules -prune) | while read -r packages; do
  mkdir -p "/root$repository/$packages"
  mount --bind "/below/$packages" "/root$repository/$packages"
done
umount /below

mount -t 9p -o "$share" vm /root/vm || fail "the shared directory cannot be mounted"
mount --bind "/root$modules_directory" "/root/lib/modules/$(uname -r)"
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
echo "vm: starting /vm/first"
exec switch_root /root /bin/sh /vm/first
