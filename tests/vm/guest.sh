#!/bin/sh
# Second program of the virtual machine: what an init system prepares, with cgroup version 2 as the only hierarchy, then the command of the share.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
# As a service of systemd has it.
ulimit -n 524288
hostname vm

cat >/run/command <<'EOT'
#!/bin/sh
# dash has no name for the exit code of a pipe's first command.
{ sh /vm/command 2>&1; echo $? >/run/code; } | tee /run/output
tail -n 1 /run/output >/vm/last
cat /run/code >/vm/code
busybox poweroff -f
EOT

if [ "$(cat /vm/under)" = systemd ]; then
  mkdir -p /run/systemd/system
  cat >/run/systemd/system/vm.service <<'EOT'
[Service]
ExecStart=/bin/sh /run/command
Environment=HOME=/root TERM=dumb
StandardOutput=tty
TTYPath=/dev/console
LimitNOFILE=524288
EOT
  exec /lib/systemd/systemd --unit=vm.service --show-status=no --log-level=warning
fi

mkdir -p /dev/pts /dev/shm /dev/mqueue /run/lock
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
# systemd makes their device nodes on every ordinary machine.
modprobe loop
modprobe fuse
ip link set lo up

if [ "$(cat /vm/under)" = nested ]; then
  # As Docker gives it to a privileged container: a part of the tree looks like all of it, and there are processes in its root.
  mkdir /sys/fs/cgroup/container
  echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
  (
    echo 0 >/sys/fs/cgroup/container/cgroup.procs
    exec unshare --cgroup --mount sh -c 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec sh /run/command'
  )
else
  sh /run/command
fi
busybox poweroff -f
