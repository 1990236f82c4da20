#!/usr/bin/env bash
# Makes sure that Debian packages are present: installs what is missing, or says how to.
#
#   scripts/need.sh PACKAGE=PROBE...
#
# A probe finds what the package is wanted for, wherever it came from:
#   radclient                        a command on PATH
#   /usr/lib/postgresql/*/bin/initdb a file, which may be a pattern
#   python3:ensurepip                a module of a Python interpreter
set -euo pipefail

is_present() {
    local probe=$1
    case $probe in
        /*) compgen -G "$probe" >/dev/null ;;
        *:*) "${probe%%:*}" -c "import ${probe#*:}" >/dev/null 2>&1 ;;
        *) command -v "$probe" >/dev/null 2>&1 ;;
    esac
}

# Sets `as_root` to what runs a command as root; sudo asks for a password only where somebody types.
find_root() {
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env)
    elif ! command -v sudo >/dev/null 2>&1; then
        return 1
    elif sudo --non-interactive true 2>/dev/null; then
        as_root=(sudo --non-interactive env)
    elif [ -t 0 ]; then
        echo "Debian packages are missing: ${missing[*]}; sudo may ask for your password" >&2
        sudo --validate || return 1
        as_root=(sudo env)
    else
        return 1
    fi
}

# A database server started by the package would take port 5432; the tests start their own.
forbid_main_cluster() {
    local conf=/etc/postgresql-common/createcluster.d/lastmile.conf
    "${as_root[@]}" mkdir -p "${conf%/*}"
    echo 'create_main_cluster = false' | "${as_root[@]}" tee "$conf" >/dev/null
}

# Services would take their ports, those of RADIUS among them; invoke-rc.d asks this policy before it starts one, and 101 forbids it.
forbid_start() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 0755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
}

keep_stopped() {
    command -v systemctl >/dev/null 2>&1 || return 0
    echo "The service that came with $1 stays off; systemctl enable --now $1 turns it on" >&2
    "${as_root[@]}" systemctl --quiet disable "$1.service" || true
}

missing=()
for need in "$@"; do
    is_present "${need#*=}" || missing+=("${need%%=*}")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "error: missing: ${missing[*]} (names of Debian packages)" >&2
    echo "       install them with your system's package manager, then run this again" >&2
    exit 1
fi
as_root=()
if ! find_root; then
    install="apt-get install --yes --no-install-recommends ${missing[*]}"
    echo "error: missing Debian packages: ${missing[*]}" >&2
    if command -v sudo >/dev/null 2>&1; then
        echo "       install them with: sudo apt-get update && sudo $install" >&2
    else
        echo "       install them as root with: apt-get update && $install" >&2
    fi
    exit 1
fi

echo "Installing Debian packages: ${missing[*]}" >&2
case " ${missing[*]} " in
    *' postgresql '*) forbid_main_cluster ;;
esac
case " ${missing[*]} " in
    *' freeradius '* | *' mariadb-server '*) forbid_start ;;
esac
apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get --quiet --option DPkg::Lock::Timeout=300)
"${apt[@]}" update >&2
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >&2
case " ${missing[*]} " in
    *' freeradius '*) keep_stopped freeradius ;;
esac
case " ${missing[*]} " in
    *' mariadb-server '*) keep_stopped mariadb ;;
esac

for need in "$@"; do
    if ! is_present "${need#*=}"; then
        echo "error: package ${need%%=*} is installed, but ${need#*=} is still not there" >&2
        exit 1
    fi
done
