#!/usr/bin/env bash
# A car that we did not write, against our station: every scenario of DIN SPEC 70121 and ISO 15118-2 of this version, then two cars at once. Needs root.
# Arguments: names or groups of scenarios instead of the usual ones.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
factor=${TIMEOUT_FACTOR:-1}

if [ "$(id -u)" != 0 ]; then
    echo "interop: network namespaces need root" >&2
    exit 2
fi
for tool in ip java openssl; do
    command -v "$tool" >/dev/null || { echo "interop: $tool is missing (apt-get install iproute2 default-jre-headless openssl)" >&2; exit 2; }
done

# A run counts when the station's own books give the wanted reason, not when the car happened to charge.
bench() {
    "$python" "$here/josev_interop.py" --secc-cmd "$here/station" --account "$here/account" --timeout-factor "$factor" "$@"
}

if [ $# -gt 0 ]; then
    bench "$@"
    exit
fi

positive=(din-dc-eim sap-prefer-din sap-prefer-iso2 iso2-ac-eim iso2-dc-eim iso2-ac-eim-tls iso2-dc-eim-tls iso2-ac-pnc iso2-dc-pnc iso2-ac-pnc-receipts iso2-ac-pnc-tariffs iso2-dc-eim-tariffs iso2-ac-pnc-certinstall iso2-dc-pnc-certinstall iso2-ac-pause-resume iso2-dc-pause-resume)
negative=(din-neg-session-id din-neg-energy-type din-neg-service-id din-neg-contract iso2-neg-session-id iso2-neg-energy-mode iso2-neg-service-id iso2-neg-schedule-id iso2-neg-charging-profile
    iso2-neg-signature iso2-neg-challenge iso2-neg-forged-contract iso2-neg-forged-contract-rsa iso2-neg-expired-contract
    iso2-neg-emaid iso2-neg-unlisted-contract iso2-neg-stop-before-proof sap-no-match)
echo "== plausible car"
bench --ev plausible "${positive[@]}" "${negative[@]}"
echo "== the package's car as it is"
bench --ev stock "${positive[@]}"
echo "== two cars at once"
"$python" "$here/two_cars.py" --timeout-factor "$factor" iso2-dc-pnc
for kind in plausible stock; do
    "$python" "$here/two_cars.py" --timeout-factor "$factor" --ev "$kind" din-dc-eim iso2-dc-eim
done
echo "== matching with pev, a car's modem side that others wrote"
root=$(cd "$here/../.." && pwd)
venv=$root/.venv/bin/python
if command -v pev >/dev/null; then
    (cd "$root" && "$venv" -m tests.live.slac.run_slac)
    echo "== the whole station behind emulated modems: pev and our own car are matched before SDP answers"
    (cd "$root" && "$venv" -m tests.live.slac.run_station)
else
    echo "interop: pev is missing (apt-get install plc-utils-extra)" >&2
    exit 2
fi
echo "== every car behind its own interface"
(cd "$root" && "$venv" -m pytest -m live tests/live/test_interfaces.py)
echo "== the demo, and what EXIficient makes of its trace"
for arguments in "--mode dc --payment pnc" "--mode ac --payment pnc" "--mode dc --payment eim --no-tls" "--kill"; do
    log=$(mktemp)
    # shellcheck disable=SC2086
    (cd "$root" && "$venv" -m tools.demo $arguments) | tee "$log" | tail -n 3
    trace=$(sed -n 's/^demo *session trace: //p' "$log" | tail -n 1)
    rm -f "$log"
    [ -n "$trace" ] || { echo "interop: the demo left no trace" >&2; exit 1; }
    "$python" "$here/exificient.py" "$trace"
done
