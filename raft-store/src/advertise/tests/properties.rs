//! What holds whatever is configured.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::*;
use crate::advertise::attributes::Attributes;
use crate::advertise::{Announcer, LiveSession, PeerKey, SessionChange, Update};
use crate::model::*;

const PEERS: [(&str, &str); 2] = [("one", "10.0.9.1"), ("two", "10.0.9.2")];

fn advertisements() -> impl Strategy<Value = BgpAdvertisement> {
    let kinds = prop_oneof![
        Just(vec![ServiceAddressKind::LoadBalancer]),
        Just(vec![ServiceAddressKind::LoadBalancer, ServiceAddressKind::External]),
    ];
    let selector = prop::option::of(prop_oneof![Just("x"), Just("y")]);
    let lengths = prop_oneof![Just(32), Just(30), Just(24)];
    let communities = prop::collection::btree_set((0_u16..4).prop_map(|low| Community::Standard(1, low)), 0..3);
    let peers = prop_oneof![Just(PeerMatch::All), Just(PeerMatch::Names(["one".to_owned()].into()))];
    let nodes = prop::option::of(Just(vec![Selector::label("name", "a")]));
    let all = (kinds, selector, lengths, communities, peers, nodes, prop::option::of(0_u32..300));
    all.prop_map(|(kinds, selector, length, communities, peers, nodes, local_pref)| BgpAdvertisement {
        what: services(&kinds, Some(selector.map(|value| Selector::label("tier", value)).into_iter().collect())),
        aggregation_v4: length,
        communities,
        peers,
        node_selectors: nodes.unwrap_or_default(),
        local_pref,
        ..advertisement(Dialect::Native, "")
    })
}

fn any_service() -> impl Strategy<Value = Service> {
    let tier = prop::option::of(prop_oneof![Just("x"), Just("y")]);
    (0_u8..4, 0_u8..6, tier, any::<bool>(), prop::option::of(0_u8..3)).prop_map(
        |(name, host, tier, local, external)| {
            let mut service = service(&format!("s{name}"), &format!("10.0.0.{host}"));
            if let Some(tier) = tier {
                service.labels.insert("tier".to_owned(), tier.to_owned());
            }
            if local {
                service.external_policy = TrafficPolicy::Local;
            }
            service.external_ips = external.map(|host| [10, 0, 0, 200 + host].into()).into_iter().collect();
            service
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Service(Box<Service>),
    NoService(u8),
    Endpoints(u8, u8),
    Advertisement(u8, Box<BgpAdvertisement>),
    NoAdvertisement(u8),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any_service().prop_map(|service| Step::Service(Box::new(service))),
        1 => (0_u8..4).prop_map(Step::NoService),
        3 => (0_u8..4, 0_u8..4).prop_map(|(service, nodes)| Step::Endpoints(service, nodes)),
        2 => (0_u8..3, advertisements()).prop_map(|(name, told)| Step::Advertisement(name, Box::new(told))),
        1 => (0_u8..3).prop_map(Step::NoAdvertisement),
        3 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..30)
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Service(service) => world.put([put_service(*service)]),
        Step::NoService(name) => world.remove(ObjectKey::Service(key(&format!("s{name}")))),
        Step::Endpoints(service, nodes) => {
            let nodes: Vec<&str> =
                ["a", "b"].into_iter().enumerate().filter(|(n, _)| nodes >> n & 1 == 1).map(|(_, node)| node).collect();
            world.put([endpoints(&format!("s{service}"), &nodes)]);
        }
        Step::Advertisement(name, told) => {
            world.put([put_advertisement(BgpAdvertisement { name: format!("t{name}"), ..*told })]);
        }
        Step::NoAdvertisement(name) => {
            world.remove(ObjectKey::BgpAdvertisement(Dialect::Native, format!("t{name}")));
        }
        Step::Look => {}
    }
}

/// A router that believes what it is sent.
type Believed = BTreeMap<PeerKey, BTreeMap<ipnetwork::IpNetwork, Attributes>>;

fn carry_out(announcer: &Announcer, update: &Update, believed: &mut Believed) {
    for (peer, change) in &update.sessions {
        if let SessionChange::Opened(_) = change {
            let routes = announcer.table(peer).unwrap().routes();
            believed.insert(peer.clone(), routes.map(|route| (route.prefix, (*route.attributes).clone())).collect());
        }
    }
    for (peer, routes) in &update.routes {
        let table = believed.get_mut(peer).unwrap();
        for route in routes.iter() {
            let before = match &route.attributes {
                Some(attributes) => table.insert(route.prefix, (**attributes).clone()),
                None => table.remove(&route.prefix),
            };
            assert_ne!(before.as_ref(), route.attributes.as_deref(), "nothing is sent that stands already");
        }
    }
}

fn peers() -> [Object; 2] {
    PEERS.map(|(name, address)| put_peer(peer(Dialect::Native, name, address)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn following_comes_to_the_same_as_looking_anew(steps in steps()) {
        let mut world = World::new();
        world.put(peers());
        let mut announcer = Announcer::new("a".into());
        let mut believed = Believed::new();
        let update = announcer.follow(&world.state);
        carry_out(&announcer, &update, &mut believed);
        for step in steps {
            let look = matches!(step, Step::Look);
            take(&mut world, step);
            if look {
                let update = announcer.follow(&world.state);
                carry_out(&announcer, &update, &mut believed);
            }
        }
        let update = announcer.follow(&world.state);
        carry_out(&announcer, &update, &mut believed);
        let fresh = world.announcer("a");
        for (peer, table) in believed {
            let routes: BTreeMap<_, _> = fresh.table(&peer).unwrap().routes().map(|route| (route.prefix, (*route.attributes).clone())).collect();
            prop_assert_eq!(table, routes);
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_table(steps in steps(), host in 0_u8..8, external: bool) {
        let mut world = World::new();
        world.put(peers());
        steps.into_iter().for_each(|step| take(&mut world, step));
        let address = std::net::IpAddr::from([10, 0, 0, if external { 200 + host } else { host }]);
        for node in ["a", "b"] {
            let announcer = world.announcer(node);
            for (peer, _) in PEERS {
                let peer = (Dialect::Native, peer.to_owned());
                let explained = announcer.explain(&world.state, &peer, address, &LiveSession::Unknown);
                let table = announcer.table(&peer).unwrap();
                let exact = table.get(address.into()).is_some();
                prop_assert_eq!(explained.told.iter().any(|route| route.prefix.prefix() == 32), exact);
                let services = explained.told.iter().flat_map(|route| &route.because).filter(|because| because.service.is_some());
                let holds = table.holding(address).next().is_some();
                prop_assert_eq!(!explained.told.is_empty(), holds);
                prop_assert!(services.count() > 0 || !explained.obstacles.is_empty() || holds);
            }
        }
    }

    #[test]
    fn merging_knows_no_order(told in prop::collection::vec(advertisements(), 1..5).prop_shuffle()) {
        let merged = Attributes::merged(&told);
        prop_assert_eq!(&merged, &Attributes::merged(told.iter().rev()));
        let united: BTreeSet<_> = told.iter().flat_map(|told| told.communities.iter().copied()).collect();
        prop_assert_eq!(merged.communities, united);
    }

    /// What more it says comes on top: no prefix goes, no community goes; an aggregate leaves exact routes as they are.
    #[test]
    fn an_advertisement_more_takes_nothing_away(steps in steps(), more in advertisements()) {
        let mut world = World::new();
        world.put(peers());
        steps.into_iter().for_each(|step| take(&mut world, step));
        let before = world.announcer("a");
        let length = more.aggregation_v4;
        let one = (Dialect::Native, "one".to_owned());
        let any_local = world.state.wanted.services.values().any(|service| service.external_policy == TrafficPolicy::Local);
        world.put([put_advertisement(BgpAdvertisement { name: "more".to_owned(), ..more })]);
        let after = world.announcer("a");
        for route in before.table(&one).unwrap().routes() {
            let now = after.table(&one).unwrap().get(route.prefix);
            prop_assert!(now.as_ref().is_some_and(|now| now.communities.is_superset(&route.attributes.communities)));
            if route.prefix.prefix() != length && !any_local {
                prop_assert_eq!(now.unwrap(), route.attributes);
            }
        }
    }
}
