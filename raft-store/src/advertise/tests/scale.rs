//! Large numbers of services: what is looked at must follow what changed.

use super::world::*;
use crate::model::*;

#[test]
fn a_plan_lists_whole_nodes_up_to_its_bound() {
    let mut world = World::new();
    let services = (0..20).map(|n| put_service(service(&format!("s{n}"), &format!("10.0.0.{n}"))));
    let objects =
        [put_peer(peer(Dialect::Native, "leaf", "10.0.9.1")), put_advertisement(advertisement(Dialect::Native, "all"))];
    world.put(objects.into_iter().chain(services));
    let listed = |limit| {
        let (rows, warnings) = crate::plan::advertisements(&world.state, limit);
        (rows.len(), warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(listed(40), (40, String::new()));
    let (rows, said) = listed(39);
    assert_eq!(rows, 20);
    assert!(said.contains("the first 1 of 2 nodes"), "{said}");
    assert_eq!(listed(19).0, 0);
}
