# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# The Debian packages that doed is built and tested with, and the one way in which they are installed. Sourced.

# to build, and for ./try
packages_try=(
        build-essential cmake ninja-build pkg-config
        libsystemd-dev libudev-dev libpci-dev libevent-dev libjansson-dev nettle-dev
        check libfuse3-dev
        dbus systemd pciutils util-linux
        libglib2.0-bin python3 python3-dbus python3-jeepney python3-dbus-next python3-gi gir1.2-glib-2.0
        libnet-dbus-perl
)

# for ./check beside them
packages_check=(
        clang clang-format libclang-rt-14-dev libxml2-utils shellcheck pyflakes3
        fuse3 strace polkitd systemd-sysv
        debhelper lintian fakeroot mmdebstrap
        man-db groff zsh fish bash-completion g++
        prometheus tshark
        qemu-system-x86 qemu-system-data seabios ipxe-qemu
        busybox-static cpio kmod lz4 xz-utils
)

as_root() {
        if [ "$(id -u)" = 0 ]; then
                "$@"
        else
                sudo "$@"
        fi
}

# packages_install PACKAGE...: install those that are missing, and say which.
packages_install() {
        local package missing=()

        for package in "$@"; do
                if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
                        missing+=("$package")
                fi
        done
        if [ ${#missing[@]} = 0 ]; then
                echo "All $# Debian packages are installed."
                return
        fi
        echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}
