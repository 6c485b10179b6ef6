//! The default gateways of a namespace, followed while its routes change.

mod support;

use quorumlb_announcer::router::{Family, Gateway, GatewayWatch, gateway};
use support::{OURS, Segment, block_on, is_send, run, soon};

fn ip(arguments: &str) {
    run(&["ip"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>());
}

/// A gateway as text.
fn text(gateway: Option<&Gateway>) -> String {
    gateway.map_or_else(|| "none".into(), |gateway| format!("{} {}", gateway.address, gateway.interface))
}

/// Waits until the gateway of a family is as wanted; then a fresh look finds the same.
async fn until(watch: &mut GatewayWatch, family: Family, wanted: &str) {
    soon(wanted, async {
        while text(watch.gateways().get(family)) != wanted {
            is_send(watch.changed()).await.unwrap();
        }
    })
    .await;
    assert_eq!(text(is_send(gateway(family)).await.unwrap().as_ref()), wanted);
}

/// A second interface of the namespace.
fn second_link() {
    ip("link add net1 type veth peer name net2");
    ip("addr add 10.0.6.1/24 dev net1");
    ip("addr add fd00:6::1/64 dev net1 nodad");
    ip("link set net2 up");
    ip("link set net1 up");
}

#[test]
fn the_lowest_metric_counts_and_changes_are_followed() {
    let _segment = Segment::new();
    second_link();
    block_on(async {
        let mut watch = GatewayWatch::open().await.unwrap();
        until(&mut watch, Family::V4, "none").await;
        until(&mut watch, Family::V6, "none").await;

        ip("route add default via 10.0.5.20 metric 100");
        until(&mut watch, Family::V4, "10.0.5.20 net0").await;
        let index = watch.gateways().v4.as_ref().unwrap().index;
        assert!(run(&["ip", "-o", "link", "show", OURS]).starts_with(&format!("{index}:")));
        ip("route add default via 10.0.6.20 metric 50");
        until(&mut watch, Family::V4, "10.0.6.20 net1").await;
        ip("route del default metric 50");
        until(&mut watch, Family::V4, "10.0.5.20 net0").await;
        ip("route replace default via 10.0.5.21 metric 100");
        until(&mut watch, Family::V4, "10.0.5.21 net0").await;

        // Routes of other tables, and others than the default route, are not it.
        ip("route add default via 10.0.6.9 table 100");
        ip("route add default via 10.0.6.9 table 1000");
        ip("route add 0.0.0.0/1 via 10.0.6.9");
        ip("route add default via 10.0.6.9 tos 0x10");
        // Of equal ones the lowest counts, in whatever order they are.
        ip("route replace default metric 100 nexthop via 10.0.6.20 nexthop via 10.0.5.22 nexthop via 10.0.5.23");
        until(&mut watch, Family::V4, "10.0.5.22 net0").await;
        // A default route without a next hop has no gateway.
        ip("route add default dev net1");
        until(&mut watch, Family::V4, "none").await;
        ip("route del default dev net1 metric 0");
        until(&mut watch, Family::V4, "10.0.5.22 net0").await;

        // IPv4 over an IPv6 next hop.
        ip("-4 route replace default via inet6 fe80::20 dev net0 metric 10");
        until(&mut watch, Family::V4, "fe80::20 net0").await;
        let found = watch.gateways().get(Family::V4).unwrap();
        assert_eq!(found.socket_address(179).to_string(), format!("[fe80::20%{}]:179", found.index));
    });
}

#[test]
fn ipv6_is_followed_also_over_link_local_addresses() {
    let _segment = Segment::new();
    second_link();
    block_on(async {
        let mut watch = GatewayWatch::open().await.unwrap();
        ip("-6 route add default via fe80::20 dev net0 metric 1024");
        until(&mut watch, Family::V6, "fe80::20 net0").await;
        let found = watch.gateways().get(Family::V6).unwrap();
        assert_eq!(found.socket_address(179).to_string(), format!("[fe80::20%{}]:179", found.index));
        ip("-6 route append default via fe80::9 dev net0 metric 1024");
        until(&mut watch, Family::V6, "fe80::9 net0").await;
        ip("-6 route add default via fd00:6::20 metric 512");
        until(&mut watch, Family::V6, "fd00:6::20 net1").await;
        let found = watch.gateways().get(Family::V6).unwrap();
        assert_eq!(found.socket_address(179).to_string(), "[fd00:6::20]:179");
        ip("-6 route del default via fd00:6::20");
        until(&mut watch, Family::V6, "fe80::9 net0").await;
        until(&mut watch, Family::V4, "none").await;
    });
}

#[test]
fn routes_that_go_with_their_interface_are_followed() {
    let _segment = Segment::new();
    second_link();
    block_on(async {
        let mut watch = GatewayWatch::open().await.unwrap();
        ip("route add default via 10.0.6.20 metric 50");
        ip("route add default via 10.0.5.20 metric 100");
        until(&mut watch, Family::V4, "10.0.6.20 net1").await;
        // Of this loss the kernel tells only by the interface.
        ip("link set net1 down");
        until(&mut watch, Family::V4, "10.0.5.20 net0").await;
        ip("link set net0 down");
        until(&mut watch, Family::V4, "none").await;
        ip("link set net0 up");
        ip("route add default via 10.0.5.20");
        until(&mut watch, Family::V4, "10.0.5.20 net0").await;
        ip("link set net0 down");
        ip("link set net0 name wan0");
        ip("link set wan0 up");
        ip("route add default via 10.0.5.20");
        until(&mut watch, Family::V4, "10.0.5.20 wan0").await;
        ip("link del wan0");
        until(&mut watch, Family::V4, "none").await;
    });
}

#[test]
fn next_hop_objects_are_followed_and_their_end_is_found_by_looking() {
    let _segment = Segment::new();
    block_on(async {
        let mut watch = GatewayWatch::open().await.unwrap();
        ip("nexthop add id 5 via 10.0.5.20 dev net0");
        ip("route add default nhid 5");
        until(&mut watch, Family::V4, "10.0.5.20 net0").await;
        ip("nexthop replace id 5 via 10.0.5.21 dev net0");
        until(&mut watch, Family::V4, "10.0.5.21 net0").await;
        ip("nexthop del id 5");
        is_send(watch.look()).await.unwrap();
        until(&mut watch, Family::V4, "none").await;
    });
}
