# shellcheck shell=bash
# FRR on the leaves and spines, outside the service manager and without /etc/frr. Sourced by `lab`.

FRR_BIN=/usr/lib/frr
FRR_DAEMONS=(zebra bfdd bgpd)

run_dir() { echo "$LAB_DIR/$1/run"; }

# Sessions to the routers at the other ends of a router's links, for both families.
neighbours_of() {
  local link a a_addr b b_addr
  for link in "${LINKS[@]}"; do
    read -r a a_addr b b_addr <<<"$link"
    is_host "$b" && continue
    [ "$1" = "$a" ] && echo "$b_addr $(as_of "$b")"
    [ "$1" = "$b" ] && echo "$a_addr $(as_of "$a")"
  done
  return 0
}

# The networks a router announces as its own.
networks_of() {
  case $1 in
    leaf*) echo "$(rack_net_of "$1").0" ;;
    spine02) echo 192.168.0.0 ;;
  esac
}

router_id_of() { case $1 in spine01) echo 10.0.101.1 ;; spine02) echo 10.0.102.1 ;; *) echo "$(rack_net_of "$1").1" ;; esac; }

bgp_session() { # ADDRESS REMOTE-AS
  printf ' neighbor %s remote-as %s\n neighbor %s timers connect 1\n neighbor %s bfd profile lab\n' "$1" "$2" "$1" "$1"
}

# The nodes of a rack come by iBGP to their leaf, which waits for them and reflects between them.
rack_sessions() {
  local net
  net=$(rack_net_of "$1")
  cat <<CONF
 bgp cluster-id $net.1
 neighbor NODES peer-group
 neighbor NODES remote-as $(as_of "$1")
 neighbor NODES passive
 neighbor NODES bfd profile lab
 neighbor NODES6 peer-group
 neighbor NODES6 remote-as $(as_of "$1")
 neighbor NODES6 passive
 neighbor NODES6 bfd profile lab
 bgp listen range $net.0/24 peer-group NODES
 bgp listen range $(v6_of "$net.0")/64 peer-group NODES6
CONF
}

address_family() { # ROUTER 4|6
  local address net group=NODES
  [ "$2" = 6 ] && group=NODES6
  echo " address-family ipv$2 unicast"
  for net in $(networks_of "$1"); do
    if [ "$2" = 4 ]; then echo "  network $net/24"; else echo "  network $(v6_of "$net")/64"; fi
  done
  while read -r address _; do
    [ "$2" = 6 ] && address=$(v6_of "$address")
    echo "  neighbor $address activate"
  done < <(neighbours_of "$1")
  if [[ $1 = leaf* ]]; then
    printf '  neighbor %s activate\n  neighbor %s route-reflector-client\n' $group $group
    printf '  neighbor %s prefix-list FROM-NODES%s in\n' $group "$2"
    # A node may announce addresses of both families over one session.
    if [ "$2" = 6 ]; then
      printf '  neighbor NODES activate\n  neighbor NODES route-reflector-client\n  neighbor NODES prefix-list FROM-NODES6 in\n'
    fi
  fi
  printf '  maximum-paths 64\n  maximum-paths ibgp 64\n exit-address-family\n'
}

bgpd_conf() {
  local address as
  cat <<CONF
frr defaults datacenter
hostname $1
router bgp $(as_of "$1")
 bgp router-id $(router_id_of "$1")
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
CONF
  while read -r address as; do
    bgp_session "$address" "$as"
    bgp_session "$(v6_of "$address")" "$as"
  done < <(neighbours_of "$1")
  [[ $1 = leaf* ]] && rack_sessions "$1"
  address_family "$1" 4
  address_family "$1" 6
  # From a node come host routes and pod networks, never a default route or a rack's own network.
  cat <<CONF
ip prefix-list FROM-NODES4 deny 10.0.5.0/24
ip prefix-list FROM-NODES4 deny 10.0.10.0/24
ip prefix-list FROM-NODES4 permit 0.0.0.0/0 ge 16
ipv6 prefix-list FROM-NODES6 deny fd00:10:0:5::/64
ipv6 prefix-list FROM-NODES6 deny fd00:10:0:10::/64
ipv6 prefix-list FROM-NODES6 permit ::/0 ge 48
CONF
}

bfdd_conf() {
  printf 'frr defaults datacenter\nhostname %s\nbfd\n profile lab\n' "$1"
  printf '  detect-multiplier 3\n  receive-interval 50\n  transmit-interval 50\n'
}

# Each daemon makes a folder for crash logs in /var/tmp; in its own mount namespace that is a folder of the lab.
in_router() { # ROUTER COMMAND...
  local router=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_ns "$router" sh -c 'mount --bind "$0" /var/tmp && exec "$@"' "$LAB_DIR/$router/tmp" "$@"
}

start_router() {
  local router=$1 dir run daemon extra
  dir=$LAB_DIR/$router run=$(run_dir "$1")
  mkdir -p "$run" "$dir/tmp"
  printf 'frr defaults datacenter\nhostname %s\n' "$router" >"$dir/zebra.conf"
  bfdd_conf "$router" >"$dir/bfdd.conf"
  bgpd_conf "$router" >"$dir/bgpd.conf"
  chown -R frr:frr "$dir"
  for daemon in "${FRR_DAEMONS[@]}"; do
    extra=()
    [ "$daemon" = bfdd ] && extra=(--bfdctl "$run/bfdd.sock")
    in_router "$router" "$FRR_BIN/$daemon" -d --vty_socket "$run" -z "$run/zserv.api" -f "$dir/$daemon.conf" \
      -i "$run/$daemon.pid" --log "file:$dir/$daemon.log" -A 127.0.0.1 -P 0 "${extra[@]}" >/dev/null 2>"$dir/$daemon.err" ||
      die "$daemon on $router did not start, see $dir/$daemon.err and $dir/$daemon.log"
    wait_until 50 test -S "$run/$daemon.vty" || die "$daemon on $router gave no vty socket, see $dir/$daemon.log"
  done
  # FRR goes on past a line that it does not know; here that is an error.
  if grep -h "No such command" "$dir"/*.log "$dir"/*.err 2>/dev/null; then die "FRR refused a line of $dir/*.conf"; fi
}

routers_running() {
  local router daemon
  for router in "${ROUTERS[@]}"; do
    for daemon in "${FRR_DAEMONS[@]}"; do
      kill -0 "$(cat "$(run_dir "$router")/$daemon.pid" 2>/dev/null)" 2>/dev/null || return 1
    done
  done
}

# Every router knows the way to both racks and to the client, in both families.
converged() {
  local router net
  for router in "${ROUTERS[@]}"; do
    for net in 10.0.5.0 10.0.10.0 192.168.0.0; do
      [ -n "$(ip_ns "$router" route show "$net/24")" ] || return 1
      [ -n "$(ip_ns "$router" -6 route show "$(v6_of "$net")/64")" ] || return 1
    done
  done
}

vty() {
  local router=$1
  shift
  in_ns "$router" vtysh --vty_socket "$(run_dir "$router")" -c "$*" 2>/dev/null
}
