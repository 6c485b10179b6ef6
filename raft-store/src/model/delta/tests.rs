use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::machine::{Command, Proposal, State};
use crate::model::*;

fn service(name: &str) -> Service {
    Service::bare(ServiceKey::new("default", name))
}

fn put(wanted: &mut Wanted, service: Service) {
    wanted.put(Object::Service(Box::new(service)));
}

#[test]
fn a_delta_leads_from_one_state_to_the_other() {
    let mut one = Wanted::default();
    put(&mut one, service("gone"));
    put(&mut one, service("same"));
    let mut two = Wanted { endpoints_known: true, ..Wanted::default() };
    put(&mut two, service("same"));
    put(&mut two, service("new"));
    let delta = one.delta_to(&two).unwrap();
    assert_eq!(delta.remove, [ObjectKey::Service(ServiceKey::new("default", "gone"))]);
    assert_eq!(delta.put.len(), 2);
    delta.remove.iter().for_each(|key| one.remove(key));
    delta.put.into_iter().for_each(|object| one.put(object));
    assert_eq!(one, two);
    assert_eq!(one.delta_to(&two), None);
}

#[test]
fn only_the_last_chunk_completes_and_an_oversized_object_stands_alone() {
    let digest = ConfigDigest([7; 32]);
    assert_eq!(Delta::default().chunks(10, 1000), []);
    let only = Delta { complete: Some(digest), ..Delta::default() };
    assert_eq!(only.clone().chunks(10, 1000), [only]);
    let services = ["a", "b", "c"].map(|name| Object::Service(Box::new(service(name))));
    let delta = Delta { put: services.to_vec(), complete: Some(digest), ..Delta::default() };
    let chunks = delta.chunks(10, 1);
    assert_eq!(chunks.iter().map(|chunk| chunk.put.len()).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(chunks.iter().map(|chunk| chunk.complete).collect::<Vec<_>>(), [None, None, Some(digest)]);
}

#[test]
fn borrowed_objects_are_written_as_owned_ones() {
    let mut wanted = Wanted::default();
    wanted.put(pool("old", 0));
    wanted.put(Object::Endpoints(ServiceKey::new("default", "web"), BTreeSet::new()));
    put(&mut wanted, service("web"));
    for (object, borrowed) in wanted.objects().zip(wanted.refs()) {
        let json = |written: Result<String, serde_json::Error>| written.unwrap();
        assert_eq!(json(serde_json::to_string(&object)), json(serde_json::to_string(&borrowed)));
        assert_eq!(body_bytes(Kind::Entry, &object), body_bytes(Kind::Entry, &borrowed));
    }
}

fn pool(name: &str, third: u8) -> Object {
    Object::Pool(Box::new(Pool {
        name: name.into(),
        dialect: Dialect::Native,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Cidr(format!("10.0.{third}.0/24").parse().unwrap())],
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }))
}

/// Wanted states over few names: pools that are renamed, services with ages, labels, requests and endpoints.
fn wanted(asking: bool) -> impl Strategy<Value = Wanted> {
    let asks = prop::option::of(0..6_u8).prop_map(move |asks| asks.filter(|_| asking));
    let one = (0..12_u8, 0..3_i64, asks, any::<bool>());
    let pools = prop::collection::btree_set(0..2_u8, 1..3);
    (prop::collection::vec(one, 0..12), pools, any::<bool>()).prop_map(|(services, pools, known)| {
        let mut wanted = Wanted { endpoints_known: known, ..Wanted::default() };
        pools.iter().for_each(|number| wanted.put(pool(["old", "new"][usize::from(*number)], *number)));
        for (number, age, asks, labelled) in services {
            let mut service = service(&format!("s{number}"));
            service.age = Age { created: Some(age) };
            service.requests.native.extend(asks.map(|last| std::net::IpAddr::from([10, 0, 0, last])));
            if labelled {
                service.labels.insert("tier".into(), "front".into());
                wanted.put(Object::Endpoints(service.key.clone(), BTreeSet::new()));
            }
            put(&mut wanted, service);
        }
        wanted
    })
}

fn applied(state: &State, deltas: Vec<Delta>) -> State {
    let mut state = state.clone();
    state.reindex();
    for (index, delta) in (1..).zip(deltas) {
        state.apply(index, &Proposal { at_ms: 0, by: "test".into(), command: Command::Configure(delta) });
    }
    state
}

proptest! {
    #[test]
    fn chunks_come_to_the_same(
        (first, second) in any::<bool>().prop_flat_map(|asking| (wanted(asking), wanted(asking))),
        objects in 1..8_usize,
        bytes in 1..2000_usize,
    ) {
        let digest = ConfigDigest([1; 32]);
        let start = Delta { put: first.objects().collect(), ..Delta::default() };
        let from = applied(&State::default(), vec![start.clone()]);
        let in_parts = applied(&State::default(), start.chunks(objects, bytes));
        prop_assert_eq!(&in_parts.book, &from.book, "a first configuration");

        let mut delta = from.wanted.delta_to(&second).unwrap_or_default();
        delta.complete = Some(digest);
        let chunks = delta.clone().chunks(objects, bytes);
        for chunk in &chunks {
            let count = chunk.remove.len() + chunk.put.len();
            let size: usize = chunk.put.iter().map(|object| body_bytes(Kind::Entry, object).unwrap()).sum();
            prop_assert!(count <= objects && (size <= bytes || count == 1), "{count} objects, {size} bytes");
        }
        let (whole, parts) = (applied(&from, vec![delta]), applied(&from, chunks));
        prop_assert_eq!(&whole.wanted, &second);
        prop_assert_eq!(&parts.wanted, &second);
        prop_assert_eq!(parts.config, Some(digest));
        let served = |state: &State| state.book.grants().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        prop_assert_eq!(served(&parts), served(&whole), "the same services are served");
        for (key, service) in &second.services {
            if !service.requests.native.is_empty() {
                prop_assert_eq!(parts.book.grants_of(key), whole.book.grants_of(key), "{} gets what it asks for", key);
            }
        }
    }
}
