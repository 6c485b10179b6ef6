use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Eligibility, Ineligible, Item, NATIVE_CLASS, NodeView, Verdict, assign_orphans};
use crate::model::{
    AddressKinds, Age, Backend, Block, Dialect, EXCLUDE_LABEL, Endpoint, Interface, InterfaceMatch, L2Policy, Labels,
    Node, NodeName, NodePreference, Pool, PoolMatch, PoolScope, Selector, Service, ServiceKey, ServiceKind, Sharing,
    TrafficPolicy, Wanted,
};

const ADDRESS: &str = "10.0.5.100";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interface(name: &str, network: &str) -> Interface {
    Interface { name: name.into(), addresses: vec![network.parse().unwrap()], up: true }
}

fn node(name: &str, rack: &str, interfaces: Option<Vec<Interface>>) -> Node {
    Node {
        name: name.into(),
        labels: Labels::from([("rack".into(), rack.into())]),
        address: None,
        interfaces,
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight: 1,
        network_unavailable: false,
        unschedulable: false,
    }
}

fn policy(name: &str, dialect: Dialect) -> L2Policy {
    L2Policy {
        name: name.into(),
        dialect,
        age: Age::default(),
        service_selectors: Vec::new(),
        pools: PoolMatch::All,
        node_selectors: Vec::new(),
        interfaces: InterfaceMatch::All,
        addresses: AddressKinds { load_balancer: true, external: true },
        preferences: Vec::new(),
        any_subnet: false,
    }
}

fn pool(name: &str, dialect: Dialect) -> Pool {
    Pool {
        name: name.into(),
        dialect,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Cidr("10.0.5.0/24".parse().unwrap())],
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }
}

fn service(name: &str) -> Service {
    Service::bare(ServiceKey::new("default", name))
}

fn endpoint(node: &str, ready: bool) -> Endpoint {
    Endpoint { address: address("10.1.0.9"), node: Some(node.into()), ready, serving: true, terminating: !ready }
}

/// A cluster to ask about: nodes `a` and `b` on 10.0.5.0/24 in rack0, `c` on 10.0.10.0/24 in rack1; one native policy.
struct Lab {
    wanted: Wanted,
    dead: BTreeSet<&'static str>,
    draining: BTreeSet<&'static str>,
    refused: BTreeMap<&'static str, BTreeSet<IpAddr>>,
    pool: Option<Pool>,
}

impl Lab {
    fn new() -> Self {
        let mut wanted = Wanted::default();
        for (name, rack, network) in
            [("a", "rack0", "10.0.5.11/24"), ("b", "rack0", "10.0.5.12/24"), ("c", "rack1", "10.0.10.11/24")]
        {
            let node = node(name, rack, Some(vec![interface("net0", network), interface("pods", "10.1.0.1/16")]));
            wanted.nodes.insert(name.into(), node);
        }
        let mut lab = Self {
            wanted,
            dead: BTreeSet::new(),
            draining: BTreeSet::new(),
            refused: BTreeMap::new(),
            pool: Some(pool("pool", Dialect::Native)),
        };
        lab.put(policy("all", Dialect::Native));
        lab
    }

    fn with(policy: L2Policy) -> Self {
        let mut lab = Self::new();
        lab.wanted.l2_policies.clear();
        lab.put(policy);
        lab
    }

    fn put(&mut self, policy: L2Policy) {
        self.wanted.l2_policies.insert((policy.dialect, policy.name.clone()), policy);
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.wanted.nodes.get_mut(&NodeName::from(name)).unwrap()
    }

    fn endpoints(&mut self, service: &str, endpoints: &[Endpoint]) {
        self.wanted.endpoints_known = true;
        self.wanted.endpoints.insert(ServiceKey::new("default", service), endpoints.iter().cloned().collect());
    }

    fn ask<T>(&self, look: impl FnOnce(&mut Eligibility) -> T) -> T {
        let nobody = BTreeSet::new();
        let view = |(name, node): (&NodeName, _)| (name.clone(), self.view(node, &nobody));
        let views: BTreeMap<NodeName, NodeView> = self.wanted.nodes.iter().map(view).collect();
        look(&mut Eligibility::new(&self.wanted, &views))
    }

    fn view<'a>(&'a self, node: &'a Node, nobody: &'a BTreeSet<IpAddr>) -> NodeView<'a> {
        NodeView {
            node,
            live: !self.dead.contains(node.name.as_str()),
            draining: self.draining.contains(node.name.as_str()),
            interfaces: node.interfaces.as_deref(),
            refused: self.refused.get(node.name.as_str()).unwrap_or(nobody),
        }
    }

    fn verdict(&self, at: &str, users: &[&Service]) -> Arc<Verdict> {
        self.ask(|eligibility| eligibility.of(&self.wanted, address(at), self.pool.as_ref(), users))
    }

    /// The preferred nodes for the usual address, by index: a is 0, b is 1, c is 2.
    fn nodes(&self, users: &[&Service]) -> Vec<u32> {
        self.verdict(ADDRESS, users).preferred().to_vec()
    }
}

#[test]
fn the_subnet_decides() {
    let verdict = Lab::new().verdict(ADDRESS, &[&service("web")]);
    assert_eq!(verdict.preferred(), [0, 1]);
    assert_eq!(verdict.interfaces(0), ["net0"]);
    assert_eq!(verdict.why(2), Some(Ineligible::NoSubnet));
    assert!(verdict.interfaces(2).is_empty() && verdict.others().is_empty());
    assert!(verdict.warnings(address(ADDRESS)).is_empty());
    assert_eq!(verdict.nobody(), None);
}

#[test]
fn an_address_outside_every_subnet_may_go_anywhere_with_a_warning() {
    let mut lab = Lab::new();
    let verdict = lab.verdict("20.0.0.1", &[&service("web")]);
    assert_eq!(verdict.preferred(), [0, 1, 2]);
    assert_eq!(verdict.interfaces(0), ["net0", "pods"]);
    let warnings = verdict.warnings(address("20.0.0.1"));
    assert_eq!(warnings, ["no selected node has a subnet for 20.0.0.1; any of them may answer"]);

    // A node that is not selected does not count, one that is dead does; a bound address is no subnet.
    lab.node("c").interfaces = Some(vec![interface("net0", "20.0.0.9/24")]);
    lab.node("a").interfaces.as_mut().unwrap().push(interface("dummy", "20.0.0.1/32"));
    lab.dead.insert("c");
    assert_eq!(lab.verdict("20.0.0.1", &[&service("web")]).nobody(), Some(Ineligible::NoSubnet));
    lab.put(L2Policy { node_selectors: vec![Selector::label("rack", "rack0")], ..policy("all", Dialect::Native) });
    assert_eq!(lab.verdict("20.0.0.1", &[&service("web")]).preferred(), [0, 1]);
}

#[test]
fn any_subnet_opens_other_nodes_without_a_warning() {
    let lab = Lab::with(L2Policy { any_subnet: true, ..policy("all", Dialect::Native) });
    let verdict = lab.verdict(ADDRESS, &[&service("web")]);
    assert_eq!(verdict.preferred(), [0, 1, 2]);
    assert_eq!((verdict.interfaces(0).len(), verdict.interfaces(2).len()), (1, 2));
    assert!(lab.verdict("20.0.0.1", &[&service("web")]).warnings(address("20.0.0.1")).is_empty());
}

#[test]
fn every_reason_of_a_node_is_told() {
    let why = |change: fn(&mut Lab)| {
        let mut lab = Lab::new();
        change(&mut lab);
        let verdict = lab.verdict(ADDRESS, &[&service("web")]);
        assert_eq!(verdict.preferred(), [1], "{:?}", verdict.why(0));
        verdict.why(0).unwrap()
    };
    let excluded = why(|lab| drop(lab.node("a").labels.insert(EXCLUDE_LABEL.into(), String::new())));
    assert_eq!(excluded, Ineligible::Excluded);
    assert_eq!(why(|lab| lab.draining.extend(["a"])), Ineligible::Draining);
    assert_eq!(why(|lab| lab.dead.extend(["a"])), Ineligible::NotLive);
    assert_eq!(why(|lab| lab.node("a").network_unavailable = true), Ineligible::NetworkUnavailable);
    assert_eq!(why(|lab| lab.node("a").interfaces = Some(Vec::new())), Ineligible::NoInterface);
    assert_eq!(why(|lab| lab.node("a").interfaces.as_mut().unwrap()[0].up = false), Ineligible::InterfaceDown);
    let failed = why(|lab| drop(lab.refused.insert("a", BTreeSet::from([address(ADDRESS)]))));
    assert_eq!(failed, Ineligible::ResponderFailed);
    let unselected = why(|lab| {
        drop(lab.node("b").labels.insert("edge".into(), "yes".into()));
        lab.put(L2Policy { node_selectors: vec![Selector::label("edge", "yes")], ..policy("all", Dialect::Native) });
    });
    assert_eq!(unselected, Ineligible::NotSelected);
}

#[test]
fn a_failed_responder_counts_for_its_address_alone() {
    let mut lab = Lab::new();
    lab.refused.insert("a", BTreeSet::from([address(ADDRESS)]));
    assert_eq!(lab.verdict("10.0.5.101", &[&service("web")]).preferred(), [0, 1]);
}

#[test]
fn interfaces_go_by_name_or_pattern_and_policies_add_up() {
    let mut lab = Lab::with(L2Policy {
        interfaces: InterfaceMatch::Patterns(vec!["et0".to_owned().try_into().unwrap()]),
        node_selectors: vec![Selector::label("rack", "rack0")],
        ..policy("patterns", Dialect::Cilium)
    });
    assert_eq!(lab.verdict("20.0.0.1", &[&service("web")]).interfaces(0), ["net0"]);
    lab.put(L2Policy {
        interfaces: InterfaceMatch::Names(BTreeSet::from(["pods".into(), "et0".into()])),
        ..policy("names", Dialect::MetalLb)
    });
    let verdict = lab.verdict("20.0.0.1", &[&service("web")]);
    assert_eq!(
        (verdict.interfaces(0), verdict.interfaces(2)),
        (&["net0".into(), "pods".into()][..], &["pods".into()][..])
    );
    lab.put(L2Policy { interfaces: InterfaceMatch::Names(BTreeSet::new()), ..policy("names", Dialect::MetalLb) });
    assert_eq!(lab.verdict("20.0.0.1", &[&service("web")]).why(2), Some(Ineligible::NoInterface));
}

#[test]
fn unknown_interfaces_are_no_obstacle() {
    let mut lab = Lab::with(L2Policy {
        interfaces: InterfaceMatch::Names(BTreeSet::from(["eth9".into()])),
        ..policy("names", Dialect::MetalLb)
    });
    lab.node("c").interfaces = None;
    let verdict = lab.verdict(ADDRESS, &[&service("web")]);
    assert_eq!(verdict.preferred(), [2]);
    assert!(verdict.interfaces(2).is_empty());
}

#[test]
fn a_policy_speaks_for_its_own_dialect_and_native_pools() {
    use Dialect::{Cilium, MetalLb, Native};
    let speaks = |of: Dialect, from: Dialect| {
        let lab = Lab { pool: Some(pool("pool", from)), ..Lab::with(policy("all", of)) };
        !lab.nodes(&[&service("web")]).is_empty()
    };
    for (of, from, expected) in [
        (Native, Cilium, true),
        (Native, MetalLb, true),
        (Cilium, Native, true),
        (Cilium, Cilium, true),
        (Cilium, MetalLb, false),
        (MetalLb, Native, true),
        (MetalLb, Cilium, false),
    ] {
        assert_eq!(speaks(of, from), expected, "{of:?} policy, {from:?} pool");
    }
}

#[test]
fn the_class_must_be_the_dialects() {
    let speaks = |of: Dialect, class: &str| {
        let service = Service { class: Some(class.into()), ..service("web") };
        !Lab::with(policy("all", of)).nodes(&[&service]).is_empty()
    };
    assert!(speaks(Dialect::Cilium, "io.cilium/l2-announcer") && speaks(Dialect::Native, NATIVE_CLASS));
    assert!(!speaks(Dialect::Cilium, NATIVE_CLASS) && !speaks(Dialect::Native, "io.cilium/l2-announcer"));
    assert!(!speaks(Dialect::MetalLb, NATIVE_CLASS));
}

#[test]
fn kinds_of_address_and_pools_are_kept_apart() {
    let external = Service { external_ips: vec![address(ADDRESS)], kind: ServiceKind::ClusterIp, ..service("web") };
    let kinds = |load_balancer, external| {
        Lab::with(L2Policy { addresses: AddressKinds { load_balancer, external }, ..policy("all", Dialect::Cilium) })
    };
    let without_pool = |lab: Lab| Lab { pool: None, ..lab };
    assert!(kinds(false, false).nodes(&[&service("web")]).is_empty());
    assert_eq!(kinds(true, false).nodes(&[&service("web")]), [0, 1]);
    assert!(kinds(false, true).nodes(&[&service("web")]).is_empty());
    assert!(without_pool(kinds(true, false)).nodes(&[&external]).is_empty());
    assert_eq!(without_pool(kinds(false, true)).nodes(&[&external]), [0, 1]);

    let named = |name: &str| {
        let pools = PoolMatch::Some { names: BTreeSet::from([name.into()]), selectors: Vec::new() };
        Lab::with(L2Policy { pools, ..policy("all", Dialect::MetalLb) })
    };
    assert_eq!(named("pool").nodes(&[&service("web")]), [0, 1]);
    assert!(named("other").nodes(&[&service("web")]).is_empty());
    assert!(without_pool(named("pool")).nodes(&[&external]).is_empty());
}

#[test]
fn pseudo_labels_are_not_for_metallb() {
    let selector = Selector::label("io.kubernetes.service.name", "web");
    for (dialect, expected) in [(Dialect::Native, true), (Dialect::Cilium, true), (Dialect::MetalLb, false)] {
        let lab = Lab::with(L2Policy { service_selectors: vec![selector.clone()], ..policy("all", dialect) });
        let verdict = lab.verdict(ADDRESS, &[&service("web")]);
        assert_eq!(verdict.nobody(), (!expected).then_some(Ineligible::NoPolicy), "{dialect:?}");
    }
}

#[test]
fn local_policy_asks_for_a_ready_backend_on_the_node() {
    let local = Service { external_policy: TrafficPolicy::Local, ..service("web") };
    let mut lab = Lab::new();
    assert_eq!(lab.nodes(&[&local]), [0, 1], "endpoints are not known");
    lab.endpoints("web", &[endpoint("b", true), endpoint("a", false)]);
    let verdict = lab.verdict(ADDRESS, &[&local]);
    assert_eq!((verdict.preferred(), verdict.why(0)), (&[1][..], Some(Ineligible::NoLocalBackend)));
    lab.endpoints("web", &[endpoint("a", false)]);
    assert_eq!(lab.nodes(&[&local]), [0], "terminating ones serve when none is ready");
    lab.endpoints("web", &[Endpoint { serving: false, ..endpoint("a", false) }]);
    assert_eq!(lab.verdict(ADDRESS, &[&local]).nobody(), Some(Ineligible::NoLocalBackend));
    lab.wanted.endpoints.clear();
    assert_eq!(lab.verdict(ADDRESS, &[&local]).nobody(), Some(Ineligible::NoLocalBackend));

    // A backend on a node that nobody knows keeps its own service silent, and no other on the address.
    lab.endpoints("web", &[endpoint("stranger", true)]);
    let mut silent = service("silent");
    silent.class = Some("example.com/other".into());
    assert_eq!(lab.verdict(ADDRESS, &[&local, &silent]).nobody(), Some(Ineligible::NoLocalBackend));
    assert_eq!(lab.nodes(&[&local, &service("other")]), [0, 1]);
}

#[test]
fn inline_backends_are_local_by_pod_network_or_address() {
    let backend = |at: &str, weight| Backend { address: address(at), port: None, weight };
    let with = |backends: &[Backend]| Service {
        external_policy: TrafficPolicy::Local,
        backends: Some(backends.to_vec()),
        ..service("web")
    };
    let mut lab = Lab::new();
    lab.node("b").pod_cidrs = vec!["10.2.0.0/24".parse().unwrap()];
    assert_eq!(lab.nodes(&[&with(&[backend("10.2.0.7", 1)])]), [1]);
    assert_eq!(lab.nodes(&[&with(&[backend("10.0.5.11", 1), backend("10.2.0.7", 0)])]), [0]);
    assert_eq!(lab.nodes(&[&with(&[backend("10.2.0.7", 0)])]), [1], "all are draining");
    assert!(lab.nodes(&[&with(&[backend("192.0.2.1", 1)])]).is_empty());
}

#[test]
fn policy_cluster_without_backends_is_announced_but_not_by_metallb() {
    for (dialect, reason) in
        [(Dialect::MetalLb, Some(Ineligible::NoBackend)), (Dialect::Cilium, None), (Dialect::Native, None)]
    {
        let mut lab = Lab::with(policy("all", dialect));
        assert_eq!(lab.verdict(ADDRESS, &[&service("web")]).nobody(), None, "endpoints are not known");
        lab.endpoints("other", &[]);
        assert_eq!(lab.verdict(ADDRESS, &[&service("web")]).nobody(), reason, "{dialect:?}");
    }
}

#[test]
fn metallb_does_not_announce_shared_services_by_selecting_advertisements() {
    let selecting = |selectors| L2Policy { service_selectors: selectors, ..policy("ad", Dialect::MetalLb) };
    let key = Sharing { key: "k".into(), namespaces: BTreeSet::new(), permit_different_pods: false };
    let mut shared = service("web");
    shared.labels.insert("tier".into(), "front".into());
    shared.requests.metallb_sharing = Some(Box::new(key));
    let lab = Lab::with(selecting(vec![Selector::label("tier", "front")]));
    assert_eq!(lab.verdict(ADDRESS, &[&shared]).nobody(), Some(Ineligible::SharedWithSelectors));
    assert_eq!(Lab::with(selecting(Vec::new())).nodes(&[&shared]), [0, 1]);
}

#[test]
fn services_that_share_an_address_agree_on_its_nodes() {
    let mut lab = Lab::new();
    lab.wanted.l2_policies.clear();
    lab.node("b").labels.insert("edge".into(), "yes".into());
    let by_name = |name: &str| vec![Selector::label("io.kubernetes.service.name", name)];
    lab.put(L2Policy { service_selectors: by_name("one"), ..policy("one", Dialect::Native) });
    lab.put(L2Policy {
        service_selectors: by_name("two"),
        node_selectors: vec![Selector::label("edge", "yes")],
        ..policy("two", Dialect::Native)
    });
    let (one, two, silent) = (service("one"), service("two"), service("silent"));
    assert_eq!(lab.nodes(&[&one]), [0, 1]);
    assert_eq!(lab.nodes(&[&one, &two]), [1]);
    assert_eq!(lab.nodes(&[&silent, &one]), [0, 1], "a service without a policy asks for nothing");

    let local = |service: Service| Service { external_policy: TrafficPolicy::Local, ..service };
    let (first, second) = (local(service("one")), local(service("one")));
    let second = Service { key: ServiceKey::new("default", "also"), ..second };
    lab.put(L2Policy { service_selectors: by_name("also"), ..policy("also", Dialect::Native) });
    lab.endpoints("one", &[endpoint("a", true), endpoint("b", true)]);
    lab.endpoints("also", &[endpoint("a", true)]);
    assert_eq!((lab.nodes(&[&first, &second]), lab.nodes(&[&second, &first])), (vec![0], vec![0]));
    lab.endpoints("also", &[]);
    assert_eq!(lab.nodes(&[&first, &second]), [0, 1], "one without any backend does not take the other down");
}

#[test]
fn preferences_make_tiers_among_the_eligible() {
    let prefer = |weight, rack: &str| NodePreference { weight, nodes: Selector::label("rack", rack) };
    let mut lab = Lab::with(L2Policy {
        any_subnet: true,
        preferences: vec![prefer(60, "rack0"), prefer(100, "rack1")],
        ..policy("one", Dialect::MetalLb)
    });
    let verdict = lab.verdict(ADDRESS, &[&service("web")]);
    assert_eq!((verdict.preferred(), verdict.others()), (&[2][..], &[0, 1][..]));
    assert_eq!((verdict.score(0), verdict.score(2)), (60, 100));
    assert!(verdict.is_eligible(0));
    lab.put(L2Policy { preferences: vec![prefer(50, "rack0")], ..policy("two", Dialect::MetalLb) });
    assert_eq!(lab.nodes(&[&service("web")]), [0, 1], "weights of several policies are summed");
    lab.dead.extend(["a", "b"]);
    assert_eq!(lab.nodes(&[&service("web")]), [2]);
}

#[test]
fn equal_verdicts_share_a_class_and_make_a_problem() {
    let mut lab = Lab::new();
    lab.node("b").weight = 3;
    lab.ask(|eligibility| {
        let of = |eligibility: &mut Eligibility, at: &str| {
            eligibility.of(&lab.wanted, address(at), lab.pool.as_ref(), &[&service("web")])
        };
        let (one, two) = (of(eligibility, ADDRESS), of(eligibility, "10.0.5.101"));
        let elsewhere = of(eligibility, "10.0.10.100");
        assert!(Arc::ptr_eq(&one, &two));
        assert_ne!(one.class(), elsewhere.class());
        let item = |verdict: &Verdict| Item { class: verdict.class(), owner: None };
        let items = vec![item(&one), item(&two), item(&one), item(&two), item(&elsewhere)];
        let owners: Vec<u32> = assign_orphans(&eligibility.problem(items)).iter().map(|one| one.to).collect();
        assert_eq!(owners.iter().filter(|node| **node == 1).count(), 3);
        assert_eq!(owners[4], 2);
        assert_eq!(eligibility.name(2), Some(&NodeName::from("c")));
        assert_eq!(eligibility.index(&NodeName::from("c")), Some(2));
    });
}

#[test]
fn without_a_policy_or_a_node_nobody_answers() {
    let mut lab = Lab::new();
    lab.wanted.l2_policies.clear();
    let verdict = lab.verdict(ADDRESS, &[&service("web")]);
    assert_eq!((verdict.nobody(), verdict.why(0)), (Some(Ineligible::NoPolicy), Some(Ineligible::NoPolicy)));
    lab.put(policy("all", Dialect::Native));
    lab.wanted.nodes.clear();
    assert_eq!(lab.verdict(ADDRESS, &[&service("web")]).nobody(), Some(Ineligible::NotSelected));
}
