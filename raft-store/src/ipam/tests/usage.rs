use super::world::*;

#[test]
fn totals_leave_out_what_nobody_gets_and_saturate() {
    for (blocks, first_last, buggy, total) in [
        (&["10.0.0.100-10.0.0.200"][..], true, false, 101),
        (&["10.0.0.0/24"], true, false, 254),
        (&["10.0.0.0/24"], false, true, 254),
        (&["10.0.0.0/22"], false, true, 4 * 254),
        (&["10.0.0.0/31", "10.0.0.1-10.0.0.4"], true, false, 5),
        (&["fd00::/66"], false, false, 1 << 62),
        (&["fd00::/64"], false, false, i64::MAX as u64),
        (&["::/0", "0.0.0.0/0"], false, true, i64::MAX as u64),
        (&[], false, false, 0),
    ] {
        let mut pool = cilium("p", blocks);
        (pool.reserve_first_last, pool.avoid_buggy) = (first_last, buggy);
        let mut world = World::new([pool]);
        world.set([service("a")]);
        let usage = &world.book.pool_usage(&world.wanted)[0];
        assert_eq!((usage.total, usage.used), (total, u64::from(total > 0)), "{blocks:?}");
    }
}

#[test]
fn a_shared_address_counts_once() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([1, 2, 3].map(|port| sharing(ports(service(&format!("s{port}")), &[port]), "k", &[])));
    assert_eq!(world.book.pool_usage(&world.wanted)[0].used, 1);
    world.remove("s1");
    world.remove("s2");
    assert_eq!(world.book.pool_usage(&world.wanted)[0].used, 1);
    world.remove("s3");
    assert_eq!(world.book.pool_usage(&world.wanted)[0].used, 0);
}
