# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2054
# The emulated machine of both guest tests, and what its log means. Sourced.

# A CXL memory device at 0d:00.0 with the DOE capability at 0x190.
machine_one_device=(
        -device cxl-type3,bus=port0,memdev=memory0,lsa=labels0,id=device0
)

# A switch: its upstream port at 0d:00.0 has a mailbox of its own at 0x1a8; below it, at 0f:00.0 and 10:00.0, two memory
# devices of different sizes, so that no two of the three tables are equal.
machine_switch=(
        -device cxl-upstream,bus=port0,id=upstream
        -device cxl-downstream,port=0,bus=upstream,id=downstream0,chassis=0,slot=4
        -device cxl-downstream,port=1,bus=upstream,id=downstream1,chassis=0,slot=5
        -device cxl-type3,bus=downstream0,memdev=memory0,lsa=labels0,id=device0,sn=1
        -device cxl-type3,bus=downstream1,memdev=memory1,lsa=labels1,id=device1,sn=2
)

machine_require() {
        command -v qemu-system-x86_64 >/dev/null && return
        if [ -z "$(apt-cache madison qemu-system-x86 2>/dev/null)" ]; then
                echo 'SKIP: QEMU is not installed, and apt has no qemu-system-x86 to install'
                exit 77
        fi
        echo 'run: QEMU is missing: apt-get install qemu-system-x86' >&2
        exit 1
}

# machine_boot LIMIT-SEC MEMORY KERNEL IMAGE LOG APPEND QEMU-OPTION...: until the guest powers off
# Emulation in software always: where /dev/kvm is there, it need not be able to run a guest. Two virtual CPUs, so that
# the kernel and doed-pci really meet; a busy host stops one of them for milliseconds, which makes it harder still.
machine_boot() {
        local limit_sec=$1 memory=$2 kernel=$3 image=$4 log=$5 append=$6
        shift 6

        timeout -k 3 "$limit_sec" qemu-system-x86_64 \
                -accel tcg,thread=multi -machine q35,cxl=on -cpu max -smp 2 -m "$memory,slots=2,maxmem=4G" \
                -nodefaults -display none -no-reboot -serial "file:$log" \
                -object memory-backend-ram,id=memory0,share=on,size=256M \
                -object memory-backend-ram,id=memory1,share=on,size=512M \
                -object memory-backend-ram,id=labels0,share=on,size=256K \
                -object memory-backend-ram,id=labels1,share=on,size=256K \
                -device pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.0 \
                -device cxl-rp,port=0,bus=cxl.0,id=port0,chassis=0,slot=2 \
                -M cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=256M \
                -kernel "$kernel/vmlinux" -initrd "$image" \
                -append "console=ttyS0 panic=-1 quiet $append" "$@" </dev/null
}

# Every check that the guest announced was made, and none failed.
machine_is_good() {
        local log=$1 plan n_ok

        plan=$(sed -n 's/^1\.\.\([0-9]\+\)$/\1/p' "$log")
        n_ok=$(grep -c '^ok ' "$log" || true)
        [ -n "$plan" ] && [ "$n_ok" = "$plan" ] && ! grep -q '^not ok ' "$log"
}
