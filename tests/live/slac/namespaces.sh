#!/bin/sh
# Three hosts: the car (sl_ev, plc0), the modems and their line (sl_mod, ev0 and evse0), the station (sl_se, plc0).
set -e
for host in sl_ev sl_mod sl_se; do
    ip netns del "$host" 2>/dev/null || true
    ip netns add "$host"
    ip -n "$host" link set lo up
done
ip link add sl_a type veth peer name sl_b
ip link add sl_c type veth peer name sl_d
ip link set sl_a netns sl_ev
ip -n sl_ev link set sl_a name plc0 address 02:ee:00:00:00:01
ip link set sl_b netns sl_mod
ip -n sl_mod link set sl_b name ev0
ip link set sl_d netns sl_mod
ip -n sl_mod link set sl_d name evse0
ip link set sl_c netns sl_se
ip -n sl_se link set sl_c name plc0 address 02:5e:cc:00:00:01
ip -n sl_ev link set plc0 up
ip -n sl_mod link set ev0 up
ip -n sl_mod link set evse0 up
ip -n sl_se link set plc0 up
