use super::super::{is_served, serving_dialects};
use super::world::*;
use crate::model::{Dialect, ServiceKind};

#[test]
fn who_serves_a_load_balancer_class() {
    use Dialect::{Cilium, MetalLb, Native};
    for (class, expected) in [
        (None, &[Native, Cilium, MetalLb][..]),
        (Some("quorumlb.io/lb"), &[Native]),
        (Some("io.cilium/bgp-control-plane"), &[Cilium]),
        (Some("io.cilium/l2-announcer"), &[Cilium]),
        (Some("example.com/other"), &[]),
    ] {
        let mut service = service("a");
        service.class = class.map(str::to_owned);
        assert_eq!(serving_dialects(&service), expected, "{class:?}");
        service.kind = ServiceKind::NodePort;
        assert!(!is_served(&service));
    }
}

#[test]
fn a_service_of_another_class_or_type_is_passed_over() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    let mut other = service("other");
    other.class = Some("example.com/other".into());
    let mut inner = service("inner");
    inner.kind = ServiceKind::ClusterIp;
    assert_eq!(world.set([other, inner]), []);
    assert_eq!(world.all(&["other", "inner"]), ["", ""]);
}

#[test]
fn leaving_the_class_releases() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32"])]);
    world.set([service("a")]);
    let mut other = service("a");
    other.class = Some("example.com/other".into());
    let changes = world.set([other]);
    assert_eq!((changes.len(), changes[0].before.len(), changes[0].after.len()), (1, 1, 0));
    world.set([service("b")]);
    assert_eq!(world.all(&["a", "b"]), ["", "10.0.0.1"]);
}

#[test]
fn a_class_without_pools_of_its_kind_waits() {
    let mut world = World::new([metallb("p", &["10.0.0.0/24"])]);
    let mut service = service("a");
    service.class = Some("io.cilium/l2-announcer".into());
    world.set([service]);
    assert_eq!(world.has("a"), "+NoMatchingPool");
    assert!(world.message("a").contains("io.cilium/l2-announcer"));
}
