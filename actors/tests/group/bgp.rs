//! What nodes tell a router.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::cluster::{Cluster, NODES, addresses, manifests};
use super::router::Router;

const POLICY: &str = "
---
apiVersion: quorumlb.io/v1alpha1
kind: BGPPolicy
metadata: {name: leaf}
spec:
  localASN: 65005
  peers: [{address: 10.0.5.1, asn: 65005, gracefulRestart: 60s}]
  advertise: [{services: {}}]
";

fn address(node: &str) -> String {
    format!("10.0.5.1{}", &node[4..])
}

fn all() -> BTreeSet<String> {
    addresses().iter().map(|address| format!("{address}/32")).collect()
}

/// A formed group whose nodes have told the router everything.
fn told(policy: &str) -> (Cluster, Router) {
    let mut cluster = Cluster::formed();
    let router = Router::default();
    cluster.fabric.set_router(router.clone());
    cluster.write_file("node1", &(manifests() + policy));
    cluster
        .run_until("the router knows all", 20_000, |_| NODES.iter().all(|node| router.routes(&address(node)) == all()));
    (cluster, router)
}

#[test]
fn a_router_is_told_every_address_by_every_node_and_each_is_held_there() {
    let (cluster, _) = told(POLICY);
    let wanted: BTreeSet<IpAddr> = addresses().into_iter().map(IpAddr::from).collect();
    for node in NODES {
        assert!(cluster.fabric.held(node).is_superset(&wanted), "{node} holds {:?}", cluster.fabric.held(node));
    }
    cluster.check_one_answer();
}

#[test]
fn a_change_sends_what_it_changes_alone() {
    let (mut cluster, router) = told(POLICY);
    let before = router.told("10.0.5.12");
    let fewer = manifests().rsplit_once("---").unwrap().0.to_owned() + POLICY;
    cluster.write_file("node1", &fewer);
    cluster.run_until("one address is withdrawn", 5000, |_| router.routes("10.0.5.12").len() == 5);
    cluster.run(2000);
    assert_eq!((router.told("10.0.5.12") - before, router.sessions("10.0.5.12")), (1, 1));
    let marked = fewer.replace("services: {}", "services: {}, communities: [\"65000:1\"]");
    cluster.write_file("node1", &marked);
    cluster.run_until("all are told anew", 5000, |_| router.told("10.0.5.12") == before + 1 + 5);
    cluster.run(4000);
    assert_eq!((router.told("10.0.5.12") - before, router.sessions("10.0.5.12")), (6, 1));
    let gone: IpAddr = addresses()[5].into();
    assert!(NODES.iter().all(|node| !cluster.fabric.held(node).contains(&gone)), "what is told no more is let go of");
}

#[test]
fn what_was_told_stays_without_a_quorum_and_is_told_again_from_the_disk() {
    let (mut cluster, router) = told(POLICY);
    cluster.kill("node2");
    cluster.kill("node3");
    cluster.run(10_000);
    assert_eq!((router.routes("10.0.5.11"), router.sessions("10.0.5.11")), (all(), 1), "no quorum, the same routes");
    cluster.kill("node1");
    let forgotten = Router::default();
    cluster.fabric.set_router(forgotten.clone());
    let text = manifests() + POLICY;
    cluster.start_with("node1", &text);
    cluster.run_until("it tells what its disk says", 10_000, |_| forgotten.routes("10.0.5.11") == all());
}

#[test]
fn a_drained_node_takes_its_routes_back_and_keeps_its_session() {
    let (mut cluster, router) = told(POLICY);
    cluster.drain("node2", true);
    cluster.run_until("its routes are withdrawn", 10_000, |_| router.routes("10.0.5.12").is_empty());
    assert_eq!((router.routes("10.0.5.11"), router.sessions("10.0.5.12")), (all(), 1));
    cluster.drain("node2", false);
    cluster.run_until("it tells them again", 10_000, |_| router.routes("10.0.5.12") == all());
}
