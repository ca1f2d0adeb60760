#!/bin/sh
# The suites whose code touches octets, pointers and clocks, on 32-bit and 64-bit Arm: Debian's own Python and libssl of that
# architecture under qemu's user-mode emulation. See docs/arm.md.
#
#   tools/arm.sh [armhf] [arm64]        both when none is named
#
#   ARM_TESTS     what pytest is given; the suites named below when unset
#   ARM_EXAMPLES  how many examples hypothesis tries for each property (10)
#   ARM_CACHE     where the root file systems are kept (~/.cache/secc-arm)
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)
cache=${ARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/secc-arm}
suite=bookworm
# cffi has no wheel for 32-bit Arm; cryptography's is content with Debian's.
inside=python3,python3-cffi-backend,python3-serial,libssl3,openssl
needed="qemu-user-static debootstrap debian-archive-keyring iproute2 util-linux"

stop() {
    echo "arm: $1" >&2
    exit 2
}

# --- The second half of this file, in a user namespace of its own: `arm.sh --unpack ARCHITECTURE DIRECTORY`, `arm.sh --enter DIRECTORY COMMAND...`

# A root file system with the packages unpacked and none configured: what the tests need of them are files, and no maintainer script has to be
# emulated. Only one user exists in the namespace, so every file is made his; and he cannot make devices, which debootstrap knows of containers.
unpack() {
    architecture=$1
    root=$2
    TAR_OPTIONS=--no-same-owner
    container=lxc
    export TAR_OPTIONS container
    mkdir -p "$root"
    debootstrap --foreign --arch="$architecture" --variant=minbase --include="$inside" "$suite" "$root" ${ARM_MIRROR:-}
    for archive in "$root"/var/cache/apt/archives/*.deb; do
        # Without the option tar would put a directory where the merged /usr has a link.
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$root" --keep-directory-symlink
        rm "$archive"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
}

# Hands the kernel an interpreter for one kind of ELF file. The namespace has a registry of its own since Linux 6.7; before that the machine's
# must do, which Debian's package fills where systemd runs. F: the interpreter is opened now, and need not exist inside the root file system.
register() {
    machine=$1
    class=$2
    number=$3
    for name in "qemu-$machine-static" "qemu-$machine"; do
        interpreter=$(command -v "$name") && break
    done
    magic='\x7fELF\x0'"$class"'\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x'"$number"'\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf '%s' ":secc-$machine:M::$magic:$mask:$interpreter:F" >"$registry/register"
}

enter() {
    root=$1
    shift
    mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
    # Where it stays mounted: the registry lives as long as its last mount.
    registry=$root/proc/sys/fs/binfmt_misc
    if mount -t binfmt_misc none "$registry" 2>/dev/null; then
        register arm 1 28
        register aarch64 2 b7
    fi
    mount --rbind /dev "$root/dev"
    mount -t tmpfs none "$root/tmp"
    mkdir -p "$root/source/secc" "$root/source/shared"
    mount --bind -o ro "$repository" "$root/source/secc"
    # Recordings of others that tests read where they lie beside the repository.
    [ ! -d "$repository/../shared" ] || mount --bind -o ro "$repository/../shared" "$root/source/shared"
    ip link set lo up
    chroot "$root" /bin/true 2>/dev/null ||
        stop "this kernel does not run Arm programs through qemu: Linux 6.7, or the entries of qemu-user-static in /proc/sys/fs/binfmt_misc"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LC_ALL=C.UTF-8 \
        PYTHONPYCACHEPREFIX=/var/cache/pyc ARM_EXAMPLES="${ARM_EXAMPLES:-10}" /bin/sh -c 'cd /source/secc && exec "$@"' sh "$@"
}

apart() {
    unshare --user --map-root-user --mount --net --pid --fork --kill-child "$@"
}

case ${1:-} in
--unpack)
    shift
    unpack "$@"
    exit
    ;;
--enter)
    shift
    enter "$@"
    ;;
esac

# --- The first half: what this machine needs, the root file systems, the runs.

missing=
for package in $needed; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "arm: installing$missing"
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
    else
        stop "these packages are missing; install them first: sudo apt-get install$missing"
    fi
fi
apart true 2>/dev/null || stop "this machine makes no user namespaces (sysctl kernel.unprivileged_userns_clone, or run as root)"

# Our own bounds, so that the versions are those of the other suites; Debian's pytest and hypothesis are older than what the tests are written for.
requirements=$(cd "$repository" && .venv/bin/python - <<'PYTHON'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"])
print(*(line for line in project["optional-dependencies"]["dev"] if re.match("(hypothesis|pymodbus|pytest|scapy)[^-a-z]", line)))
PYTHON
)

# Makes what is missing of one architecture's root file system: Debian's packages, then the wheels of our own dependencies.
prepare() {
    architecture=$1
    root=$cache/$architecture
    recipe="$suite $inside"
    if [ "$(cat "$root.recipe" 2>/dev/null)" != "$recipe" ]; then
        echo "arm: unpacking Debian $suite for $architecture into $root"
        rm -rf "$root" "$root.recipe" "$root.wheels"
        mkdir -p "$cache"
        unshare --user --map-root-user --mount "$repository/tools/arm.sh" --unpack "$architecture" "$root" >"$root.log" 2>&1 ||
            stop "unpacking failed: $(tail -n 1 "$root.log") (all of it: $root.log)"
        echo "$recipe" >"$root.recipe"
    fi
    if [ "$(cat "$root.wheels" 2>/dev/null)" != "$requirements" ]; then
        case $architecture in
        armhf) platforms="manylinux_2_36_armv7l manylinux_2_31_armv7l manylinux_2_28_armv7l manylinux_2_17_armv7l" ;;
        arm64) platforms="manylinux_2_36_aarch64 manylinux_2_34_aarch64 manylinux_2_28_aarch64 manylinux_2_17_aarch64" ;;
        esac
        echo "arm: wheels for $architecture:" $requirements
        wheels=$root/usr/local/lib/python3.11/dist-packages
        rm -rf "$wheels"
        pip="$repository/.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --python-version 3.11
            --implementation cp $(printf -- '--platform %s ' $platforms) --target $wheels"
        # What runs comes alone, with Debian's cffi; what tests, with its own dependencies.
        { $pip --no-deps $(echo "$requirements" | head -n 1) && $pip $(echo "$requirements" | tail -n 1); } >"$root.log" 2>&1 ||
            stop "no wheels: $(tail -n 1 "$root.log") (all of it: $root.log)"
        echo "$requirements" >"$root.wheels"
    fi
}

failed=
summary=
for architecture in ${@:-armhf arm64}; do
    case $architecture in
    armhf | arm64) ;;
    *) stop "no architecture $architecture; there are armhf and arm64" ;;
    esac
    started=$(date +%s)
    prepare "$architecture"
    report=$cache/$architecture.report
    # The status goes by a file: that of a pipeline would be tee's.
    {
        status=0
        apart nice -n 10 "$repository/tools/arm.sh" --enter "$cache/$architecture" python3 -m tests.arm ${ARM_TESTS:-} || status=$?
        echo "$status" >"$report.status"
    } 2>&1 | tee "$report"
    [ "$(cat "$report.status")" = 0 ] || failed=yes
    summary="$summary
arm: $architecture: $(tail -n 1 "$report"); $(($(date +%s) - started)) s with the setting up"
done
echo "$summary"
[ -z "$failed" ]
