# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What every step in a guest uses: TAP verdicts, waiting for a condition, and where things are.

path_of() {
        echo "/org/doed/device/$(echo "$1" | tr :. __)"
}

export DEVICE="${DEVICE:-0000:0d:00.0}"
export MAILBOX="${DEVICE}[190]"
DEVICE_PATH=$(path_of "$DEVICE")
export DEVICE_PATH
export MAILBOX_PATH=$DEVICE_PATH/mailbox/190
export RUN=/run/guest           # what one step leaves for the next
export TABLE=$RUN/table         # the CDAT as the first step read it from the mailbox

# run_steps FILE SECONDS: each that FILE names, until one does not come to its end in so much time
run_steps() {
        while read -r step; do
                echo "# $step, at $(cut -d' ' -f1 /proc/uptime) s"
                if ! timeout "$2" "/guest/$step" </dev/null; then
                        echo "not ok - $step did not come to its end"
                        break
                fi
        done <"$1"
}

# check TEXT COMMAND...: one verdict
check() {
        text=$1
        shift
        n=$(($(cat "$RUN/verdicts") + 1))
        echo $n >"$RUN/verdicts"
        if "$@" >"$RUN/output" 2>&1; then
                echo "ok $n - $text"
        else
                echo "not ok $n - $text"
                sed 's/^/#   /' "$RUN/output"
                return 1
        fi
}

# exits_with CODE COMMAND...
exits_with() {
        wanted=$1
        shift
        "$@"
        code=$?
        echo "it exited with $code"
        [ $code = "$wanted" ]
}

uptime_sec() {
        read -r uptime _ </proc/uptime
        echo "${uptime%.*}"
}

# within SECONDS COMMAND...: true as soon as COMMAND is
within() {
        end=$(($(uptime_sec) + $1))
        shift
        while ! "$@" >/dev/null 2>&1; do
                if [ "$(uptime_sec)" -ge $end ]; then
                        "$@"
                        return
                fi
                sleep 0.02
        done
}

# The load-client that keeps its progress in FILE has done 12 more exchanges than at the last look.
traffic_flows() {
        read -r n_now <"$1" && [ "$n_now" -ge $((n_seen + 12)) ]
}

# wait_for_traffic FILE SECONDS
wait_for_traffic() {
        read -r n_seen <"$1"
        within "$2" traffic_flows "$1"
}

as() {
        user=$1
        shift
        su -s /bin/sh "$user" -c "$*"
}

# property_is PATH INTERFACE NAME VALUE
property_is() {
        value=$(busctl --system get-property org.doed "$1" "org.doed.$2" "$3") || return 1
        echo "$3 is $value"
        [ "$value" = "$4" ]
}

mailbox_is() {
        property_is "$MAILBOX_PATH" Mailbox1 State "s \"$1\""
}

# The kernel's own copy of the table, once there is one.
kernel_table() {
        cat /sys/bus/cxl/devices/endpoint*/CDAT
}

kernel_has_table() {
        kernel_table | cmp -s - "$TABLE"
}
