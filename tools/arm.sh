#!/bin/sh
# Runs the tests of code that depends on octets, pointers and clocks on 32-bit and 64-bit Arm: with Debian's Python and libssl of
# that architecture, in qemu's user-mode emulation. See docs/arm.md.
#
#   tools/arm.sh [armhf] [arm64]        default: both
#
#   ARM_TESTS     arguments of pytest (default: the suites of tests/arm.py)
#   ARM_EXAMPLES  number of examples of hypothesis for each property (default: 10)
#   ARM_CACHE     directory of the root file systems (default: ~/.cache/secc-arm)
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)
cache=${ARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/secc-arm}
suite=bookworm
# cffi has no wheel for 32-bit Arm; cryptography's wheel works with Debian's cffi.
inside=python3,python3-cffi-backend,python3-serial,libssl3,openssl
needed="qemu-user-static debootstrap debian-archive-keyring iproute2 util-linux"

stop() {
    echo "arm: $1" >&2
    exit 2
}

# --- Inside a user namespace: `arm.sh --unpack ARCHITECTURE DIRECTORY`, `arm.sh --enter DIRECTORY COMMAND...`

# Makes a root file system with unpacked packages. They are not configured: the tests need their files only, and maintainer scripts would run
# in emulation. The namespace has one user, who owns every file and cannot make devices; debootstrap leaves devices out in a container.
unpack() {
    architecture=$1
    root=$2
    TAR_OPTIONS=--no-same-owner
    container=lxc
    export TAR_OPTIONS container
    mkdir -p "$root"
    debootstrap --foreign --arch="$architecture" --variant=minbase --include="$inside" "$suite" "$root" ${ARM_MIRROR:-}
    for archive in "$root"/var/cache/apt/archives/*.deb; do
        # Without the option tar would replace the links of the merged /usr by directories.
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$root" --keep-directory-symlink
        rm "$archive"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
}

# Registers an interpreter for one kind of ELF file. Since Linux 6.7 the namespace has its own registry; older kernels use that of the machine,
# which Debian's package fills if systemd runs. F: the kernel opens the interpreter now, so it need not exist in the root file system.
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
    # Mounted inside the root file system, because the registry exists as long as its last mount.
    registry=$root/proc/sys/fs/binfmt_misc
    if mount -t binfmt_misc none "$registry" 2>/dev/null; then
        register arm 1 28
        register aarch64 2 b7
    fi
    mount --rbind /dev "$root/dev"
    mount -t tmpfs none "$root/tmp"
    mkdir -p "$root/source/secc" "$root/source/shared"
    mount --bind -o ro "$repository" "$root/source/secc"
    # Recordings beside the repository that some tests read.
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

# --- Outside: the packages of this machine, the root file systems, the runs.

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

# The bounds of pyproject.toml, as for the other suites: Debian's pytest and hypothesis are too old for the tests.
requirements=$(cd "$repository" && .venv/bin/python - <<'PYTHON'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"])
print(*(line for line in project["optional-dependencies"]["dev"] if re.match("(hypothesis|pymodbus|pytest|scapy)[^-a-z]", line)))
PYTHON
)

# Completes the root file system of one architecture: Debian's packages, then the wheels of the dependencies.
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
        # The station's dependencies come alone, with Debian's cffi; those of the tests with their own dependencies.
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
    *) stop "unknown architecture $architecture: use armhf or arm64" ;;
    esac
    started=$(date +%s)
    prepare "$architecture"
    report=$cache/$architecture.report
    # The status is in a file: the pipeline has that of tee.
    {
        status=0
        apart nice -n 10 "$repository/tools/arm.sh" --enter "$cache/$architecture" python3 -m tests.arm ${ARM_TESTS:-} || status=$?
        echo "$status" >"$report.status"
    } 2>&1 | tee "$report"
    [ "$(cat "$report.status")" = 0 ] || failed=yes
    summary="$summary
arm: $architecture: $(tail -n 1 "$report"); $(($(date +%s) - started)) s with the set-up"
done
echo "$summary"
[ -z "$failed" ]
