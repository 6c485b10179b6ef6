# shellcheck shell=bash disable=SC2034
# The reference fabric as data: who there is, with which addresses, on which link. Sourced by `lab`.
#
#        spine01 AS 500        spine02 AS 1000 ---- client 192.168.0.2
#           |      \          /      |      192.168.0.1
#      .101 |  .104 \   .103 /       | .102         10.0.N.0/24, spine .1, leaf .2
#           |        \      /        |
#        leaf01 AS 65005      leaf02 AS 65010       route reflectors of their racks
#        br0 10.0.5.1         br0 10.0.10.1
#        |     |     |           |      |
#      node1 node2 client2     node3  node4
#       .11   .12    .20        .11    .12
#
# Every IPv4 address a.b.c.d/24 has an IPv6 twin fd00:a:b:c::d/64.

ROUTERS=(spine01 spine02 leaf01 leaf02)
LEAVES=(leaf01 leaf02)
NODES=(node1 node2 node3 node4)
CLIENTS=(client client2)
ALL=("${ROUTERS[@]}" "${NODES[@]}" "${CLIENTS[@]}")

# Point-to-point links: A, A's address, B, B's address. A's interface is to-B, B's is to-A, a client's is net0.
LINKS=(
  "spine01 10.0.101.1 leaf01 10.0.101.2"
  "spine01 10.0.104.1 leaf02 10.0.104.2"
  "spine02 10.0.103.1 leaf01 10.0.103.2"
  "spine02 10.0.102.1 leaf02 10.0.102.2"
  "spine02 192.168.0.1 client 192.168.0.2"
)

# Hosts on a rack's segment: host, leaf, address. The leaf's port is p-HOST, a member of its bridge br0.
PORTS=(
  "node1 leaf01 10.0.5.11"
  "node2 leaf01 10.0.5.12"
  "client2 leaf01 10.0.5.20"
  "node3 leaf02 10.0.10.11"
  "node4 leaf02 10.0.10.12"
)

as_of() {
  case $1 in
    spine01) echo 500 ;; spine02) echo 1000 ;;
    leaf01 | node1 | node2) echo 65005 ;; leaf02 | node3 | node4) echo 65010 ;;
    *) die "no AS number for $1" ;;
  esac
}

# The rack's network that a leaf is the gateway of, without the last octet.
rack_net_of() {
  case $1 in leaf01) echo 10.0.5 ;; leaf02) echo 10.0.10 ;; *) die "$1 has no rack" ;; esac
}

is_host() { case $1 in node* | client*) return 0 ;; *) return 1 ;; esac }

# 10.0.5.11 -> fd00:10:0:5::11
v6_of() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  echo "fd00:$a:$b:$c::$d"
}
