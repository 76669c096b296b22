#!/bin/sh
# The first process of the machine of run.sh.
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ip link set lo up
export HOME=/tmp PATH=/bin
sh /run
echo "midair-machine: the program ended with $?"
sync
poweroff -f
