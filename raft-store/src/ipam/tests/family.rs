use super::world::*;
use crate::model::{Family, FamilyPolicy};

#[test]
fn families_follow_the_service_then_its_cluster_addresses_then_the_pools() {
    use Family::{V4, V6};
    use FamilyPolicy::{PreferDualStack, RequireDualStack, SingleStack};
    let (v4, v6) = (&["10.0.0.0/24"][..], &["fd00::/64"][..]);
    let both = &["fd00::/64", "10.0.0.0/24"][..];
    let (c4, c6) = ("10.96.0.1", "fd99::1");
    for (blocks, policy, families, cluster_ips, expected) in [
        (both, SingleStack, &[][..], &[][..], "10.0.0.0"),
        (v6, SingleStack, &[], &[], "fd00::"),
        (both, SingleStack, &[V6], &[c4], "fd00::"),
        (both, SingleStack, &[V6, V4], &[], "fd00::"),
        (both, SingleStack, &[], &[c6], "fd00::"),
        (v4, SingleStack, &[V6], &[], "+FamilyUnavailable"),
        (both, PreferDualStack, &[], &[], "10.0.0.0 fd00::"),
        (both, PreferDualStack, &[V4], &[], "10.0.0.0"),
        (both, PreferDualStack, &[V4, V6], &[c4], "10.0.0.0 fd00::"),
        (v4, PreferDualStack, &[V4, V6], &[], "10.0.0.0"),
        (v6, PreferDualStack, &[], &[], "fd00::"),
        (both, RequireDualStack, &[], &[c4, c6], "10.0.0.0 fd00::"),
        (both, RequireDualStack, &[], &[], "10.0.0.0 fd00::"),
        (v4, RequireDualStack, &[], &[], "10.0.0.0 +FamilyUnavailable"),
        (&[], PreferDualStack, &[], &[], "+FamilyUnavailable"),
    ] {
        let mut world = World::new([cilium("p", blocks)]);
        let mut service = service("a");
        service.family_policy = policy;
        service.families = families.to_vec();
        service.cluster_ips = cluster_ips.iter().map(|address| ip(address)).collect();
        world.set([service]);
        assert_eq!(world.has("a"), expected, "{blocks:?} {policy:?} {families:?} {cluster_ips:?}");
    }
}

#[test]
fn cilium_may_take_the_families_from_two_pools() {
    let mut world = World::new([cilium("a", &["10.0.0.0/24"]), cilium("b", &["fd00::/64"])]);
    let mut service = service("a");
    service.family_policy = FamilyPolicy::RequireDualStack;
    world.set([service]);
    assert_eq!(world.has("a"), "10.0.0.0 fd00::");
}

#[test]
fn a_full_family_is_named_and_retried() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32", "fd00::/64"])]);
    let mut dual = service("dual");
    dual.family_policy = FamilyPolicy::RequireDualStack;
    world.set([service("first")]);
    world.set([dual]);
    assert_eq!(world.has("dual"), "fd00:: +OutOfAddresses");
    assert_eq!(
        world.message("dual"),
        "pool p has no free IPv4 address: 1 of 1 in use; add a block or release a service"
    );
    world.remove("first");
    assert_eq!(world.has("dual"), "10.0.0.1 fd00::");
}

#[test]
fn going_back_to_one_family_lets_the_other_go() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32", "fd00::/64"])]);
    let mut dual = service("a");
    dual.family_policy = FamilyPolicy::RequireDualStack;
    world.set([dual]);
    world.set([service("a")]);
    assert_eq!(world.has("a"), "10.0.0.1");
}
