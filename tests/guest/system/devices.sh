# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The devices of this guest, and questions about them.

export ENDPOINTS='0000:0f:00.0 0000:10:00.0'
export UPSTREAM='0000:0d:00.0'
export MAILBOXES='0000:0d:00.0[1a8] 0000:0f:00.0[190] 0000:10:00.0[190]'

mailbox_path_of() {
        device=${1%[*}
        offset=${1#*[}
        echo "$(path_of "$device")/mailbox/${offset%]}"
}

state_is() {
        property_is "$(mailbox_path_of "$1")" Mailbox1 State "s \"$2\""
}

driver_is() {
        driver=$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")
        echo "$1: $driver"
        [ "$driver" = "$2" ]
}

# The cxl port of a device, while there is one.
endpoint_of() {
        for memory in /sys/bus/pci/devices/"$1"/mem*; do
                memory=$(basename "$memory")
        done
        for endpoint in /sys/bus/cxl/devices/endpoint*; do
                if [ "$(basename "$(readlink -f "$endpoint/uport")")" = "$memory" ]; then
                        basename "$endpoint"
                        return
                fi
        done
        return 1
}

kernel_table_of() {
        cat "/sys/bus/cxl/devices/$1/CDAT"
}

pid_of() {
        systemctl show --property MainPID --value "$1"
}
