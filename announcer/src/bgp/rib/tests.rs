use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::message::{self, Framer, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Message, Origin, UpdateContext};
use super::super::session::{Negotiated, PeerRestart};
use super::super::{Family, NextHop, Prefix};
use super::*;

fn negotiated(external: bool) -> Negotiated {
    Negotiated {
        local_as: 65001,
        identifier: Ipv4Addr::new(192, 0, 2, 1),
        peer_as: if external { 65002 } else { 65001 },
        peer_identifier: Ipv4Addr::new(192, 0, 2, 2),
        hold_time: 90,
        keepalive: 30,
        families: Family::ALL.into(),
        wide_as: true,
        extended_messages: false,
        extended_next_hop: false,
        route_refresh: true,
        graceful_restart: false,
        graceful_notification: false,
        peer_restart: Some(PeerRestart { restarting: false, notification: false, restart_time: 0 }),
    }
}

fn own() -> OwnAddresses {
    OwnAddresses {
        v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
        v6: Some("2001:db8::1".parse().unwrap()),
        link_local: Some("fe80::1".parse().unwrap()),
    }
}

fn profile(external: bool) -> Profile {
    Profile::new(&negotiated(external), own())
}

fn prefix(number: u32) -> Prefix {
    Prefix::host(Ipv4Addr::from_bits(0x0a64_0000 + number).into())
}

fn with_med(med: u32) -> Attributes {
    Attributes { med: Some(med), ..Attributes::default() }
}

/// What a router makes of UPDATEs.
#[derive(Debug, Default, PartialEq)]
struct Router {
    routes: BTreeMap<Prefix, Heard>,
    ends: Vec<Family>,
    updates: u64,
    /// Prefixes that were announced or withdrawn.
    said: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Heard {
    next_hop: NextHop,
    path: Vec<u32>,
    local_pref: Option<u32>,
    med: Option<u32>,
    communities: BTreeSet<u32>,
    large: usize,
}

impl Router {
    /// Takes everything that the table has for a peer.
    fn pull(&mut self, table: &mut AdjRibOut, peer: PeerId) {
        while let Some(batch) = table.pull(peer) {
            self.take(&batch);
        }
        assert!(table.is_told(peer));
    }

    fn take(&mut self, batch: &Batch) {
        let (updates, said) = (self.updates, self.said);
        let mut framer = Framer::default();
        framer.extend_messages();
        framer.feed(&batch.bytes);
        while let Some(frame) = framer.next_frame().unwrap() {
            self.updates += 1;
            let wide = UpdateContext { wide_as: true, external: true };
            let Message::Update(update, flaw) = message::decode(frame, &wide).unwrap() else { panic!() };
            let internal = UpdateContext { wide_as: true, external: false };
            let Message::Update(_, internal) = message::decode(frame, &internal).unwrap() else { panic!() };
            assert!(flaw.is_none() || internal.is_none(), "{flaw:?} {internal:?}");
            self.update(&update);
            let Message::Update(update, _) =
                message::decode(frame, &UpdateContext { external: false, ..wide }).unwrap()
            else {
                panic!()
            };
            self.local_pref(&update);
        }
        assert!(framer.partial().is_empty());
        assert_eq!(self.updates - updates, batch.updates);
        assert_eq!((self.said - said) as u64, batch.announced + batch.withdrawn);
    }

    fn update(&mut self, update: &message::Update<'_>) {
        self.ends.extend(update.end_of_rib());
        let attributes = &update.attributes;
        let unreach = attributes.mp_unreach.and_then(|unreach| unreach.prefixes);
        for prefix in update.withdrawn.iter().chain(unreach.iter().flatten()) {
            self.said += 1;
            self.routes.remove(&prefix);
        }
        let classic = attributes.next_hop.map(NextHop::V4).map(|next_hop| (next_hop, update.nlri));
        let reach = attributes.mp_reach.map(|reach| (reach.next_hop.unwrap(), reach.prefixes.unwrap()));
        for (next_hop, nlri) in classic.into_iter().chain(reach) {
            assert_eq!(attributes.origin, Some(Origin::Igp));
            let path = attributes.as_path.unwrap();
            let heard = Heard {
                next_hop,
                path: path.segments().flat_map(|segment| segment.numbers().collect::<Vec<_>>()).collect(),
                local_pref: None,
                med: attributes.med,
                communities: attributes.communities.iter().flat_map(|all| all.iter()).map(u32::from_be_bytes).collect(),
                large: attributes.large_communities.map_or(0, |all| all.iter().count()),
            };
            for prefix in &nlri {
                self.said += 1;
                self.routes.insert(prefix, heard.clone());
            }
        }
    }

    fn local_pref(&mut self, update: &message::Update<'_>) {
        let reach = update.attributes.mp_reach.and_then(|reach| reach.prefixes);
        for prefix in update.nlri.iter().chain(reach.iter().flatten()) {
            self.routes.get_mut(&prefix).unwrap().local_pref = update.attributes.local_pref;
        }
    }
}

#[test]
fn routes_go_out_as_each_kind_of_peer_needs_them() {
    let mut table = AdjRibOut::new();
    let v6: Prefix = "2001:db8:9::/48".parse().unwrap();
    let large = LargeCommunity { global: 65000, local1: 1, local2: 2 };
    let attributes = Attributes {
        local_pref: Some(200),
        med: Some(7),
        communities: [65000 << 16 | 100].into(),
        large_communities: [large].into(),
        next_hop: RouteNextHop::Own,
    };
    table.announce(prefix(1), attributes).unwrap();
    table.announce(v6, Attributes::default()).unwrap();
    let (external, internal) = (table.join(profile(true)), table.join(profile(false)));
    let (mut one, mut two) = (Router::default(), Router::default());
    one.pull(&mut table, external);
    two.pull(&mut table, internal);
    assert_eq!(one.ends, [], "the table is not complete");
    table.complete();
    one.pull(&mut table, external);
    assert_eq!(one.ends, Family::ALL);

    let heard = &one.routes[&prefix(1)];
    assert_eq!(heard.next_hop, NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!((&heard.path[..], heard.local_pref, heard.med, heard.large), (&[65001][..], None, Some(7), 1));
    let link_local = Some("fe80::1".parse().unwrap());
    assert_eq!(one.routes[&v6].next_hop, NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local });
    assert_eq!((&two.routes[&prefix(1)].path[..], two.routes[&prefix(1)].local_pref), (&[][..], Some(200)));
    assert_eq!(two.routes[&v6].local_pref, Some(100));

    table.set_draining(true);
    one.pull(&mut table, external);
    two.pull(&mut table, internal);
    assert_eq!(one.routes[&prefix(1)].communities, [65000 << 16 | 100, GRACEFUL_SHUTDOWN].into());
    assert_eq!(one.routes[&v6].communities, [GRACEFUL_SHUTDOWN].into());
    assert_eq!(two.routes[&v6].local_pref, Some(0));
    table.set_draining(false);
    one.pull(&mut table, external);
    assert_eq!(one.routes[&v6].communities, [].into());
}

#[test]
fn a_peer_of_two_octets_learns_a_wide_as_beside() {
    let negotiated = Negotiated { wide_as: false, local_as: 4_200_000_001, ..negotiated(true) };
    let mut table = AdjRibOut::new();
    table.announce(prefix(1), Attributes::default()).unwrap();
    let peer = table.join(Profile::new(&negotiated, own()));
    let batch = table.pull(peer).unwrap();
    let mut framer = Framer::default();
    framer.feed(&batch.bytes);
    let context = UpdateContext { wide_as: false, external: true };
    let Message::Update(update, None) = message::decode(framer.next_frame().unwrap().unwrap(), &context).unwrap()
    else {
        panic!()
    };
    let numbers = |path: message::AsPath<'_>| {
        path.segments().flat_map(|segment| segment.numbers().collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(update.attributes.as_path.unwrap()), [23456]);
    assert_eq!(numbers(update.attributes.as4_path.unwrap()), [4_200_000_001]);
}

#[test]
fn ipv4_has_an_ipv6_next_hop_only_where_the_peer_can() {
    let own = OwnAddresses { v4: None, v6: None, link_local: Some("fe80::1".parse().unwrap()) };
    let mut table = AdjRibOut::new();
    table.announce(prefix(1), Attributes::default()).unwrap();
    let unable = table.join(Profile::new(&negotiated(true), own));
    let able = table.join(Profile::new(&Negotiated { extended_next_hop: true, ..negotiated(true) }, own));
    let (mut one, mut two) = (Router::default(), Router::default());
    one.pull(&mut table, unable);
    two.pull(&mut table, able);
    assert_eq!(one.routes.len(), 0);
    let address: Ipv6Addr = "fe80::1".parse().unwrap();
    assert_eq!(two.routes[&prefix(1)].next_hop, NextHop::V6 { address, link_local: None });
    table.withdraw(prefix(1));
    two.pull(&mut table, able);
    assert_eq!(two.routes.len(), 0);
}

#[test]
fn prefixes_are_packed_as_densely_as_the_message_allows() {
    let mut table = AdjRibOut::new();
    let shared = Arc::new(with_med(1));
    table.replace((0..100_000).map(|number| (prefix(number), Arc::clone(&shared))).collect()).unwrap();
    let routers = [MAX_MESSAGE, MAX_EXTENDED_MESSAGE].map(|max| {
        let negotiated = Negotiated { extended_messages: max > MAX_MESSAGE, ..negotiated(true) };
        let peer = table.join(Profile::new(&negotiated, own()));
        let mut router = Router::default();
        router.pull(&mut table, peer);
        assert_eq!((router.routes.len(), router.said), (100_000, 100_000));
        router.updates
    });
    // 23 octets of header and lengths, 27 of attributes, 5 for each prefix; a batch's last message may be short.
    let full = |max: usize| 100_000_u64.div_ceil((max as u64 - 50) / 5);
    assert!(routers[0] <= full(MAX_MESSAGE) + 10, "{routers:?}");
    assert!(routers[1] <= full(MAX_EXTENDED_MESSAGE) + 8, "{routers:?}");
}

#[test]
fn only_what_changed_is_sent_and_what_changed_twice_is_sent_once() {
    let mut table = AdjRibOut::new();
    for number in 0..1000 {
        table.announce(prefix(number), with_med(1)).unwrap();
    }
    let peer = table.join(profile(true));
    let mut router = Router::default();
    router.pull(&mut table, peer);
    assert!(!table.announce(prefix(5), with_med(1)).unwrap());
    assert_eq!(table.pull(peer), None);
    for med in 2..50 {
        table.announce(prefix(5), with_med(med)).unwrap();
    }
    table.withdraw(prefix(6));
    table.announce(prefix(7), with_med(9)).unwrap();
    table.withdraw(prefix(7));
    let said = router.said;
    router.pull(&mut table, peer);
    assert_eq!((router.said - said, router.routes[&prefix(5)].med, router.routes.len()), (3, Some(49), 998));
    // Nothing is remembered of what is gone once all were told.
    assert_eq!((table.len(), table.routes.len(), table.log.len(), table.attributes.len()), (998, 998, 998, 2));
}

#[test]
fn peers_at_the_same_position_get_the_same_bytes() {
    let mut table = AdjRibOut::new();
    for number in 0..30_000 {
        table.announce(prefix(number), with_med(number % 3)).unwrap();
    }
    let (one, two) = (table.join(profile(true)), table.join(profile(true)));
    let other = table.join(profile(false));
    while let Some(first) = table.pull(one) {
        let second = table.pull(two).unwrap();
        assert_eq!(first.bytes.as_ptr(), second.bytes.as_ptr());
        assert_ne!(first.bytes.as_ptr(), table.pull(other).unwrap().bytes.as_ptr());
    }
}

#[test]
fn a_family_is_sent_again_when_asked_for() {
    let mut table = AdjRibOut::new();
    let v6: Prefix = "2001:db8:9::/48".parse().unwrap();
    table.announce(v6, Attributes::default()).unwrap();
    for number in 0..20_000 {
        table.announce(prefix(number), Attributes::default()).unwrap();
    }
    let peer = table.join(profile(true));
    let mut router = Router::default();
    router.pull(&mut table, peer);
    let mut again = Router::default();
    table.refresh(peer, Family::Ipv4Unicast);
    again.take(&table.pull(peer).unwrap());
    // Changes and further requests meanwhile: each request is answered by one more round at most.
    table.withdraw(prefix(19_999));
    table.refresh(peer, Family::Ipv4Unicast);
    table.refresh(peer, Family::Ipv4Unicast);
    again.pull(&mut table, peer);
    assert_eq!(again.routes.len(), 19_999);
    assert!(!again.routes.contains_key(&v6));
    assert!((39_999..=60_000).contains(&again.said), "{}", again.said);
}

#[test]
fn too_many_communities_are_refused_and_nothing_changes() {
    let mut table = AdjRibOut::new();
    table.announce(prefix(1), with_med(1)).unwrap();
    let many = Attributes { communities: (0..901).collect(), ..Attributes::default() };
    assert_eq!(table.announce(prefix(1), many.clone()), Err(TooLong { octets: 3604 }));
    let routes = BTreeMap::from([(prefix(2), Arc::new(with_med(1))), (prefix(3), Arc::new(many))]);
    assert_eq!(table.replace(routes), Err((prefix(3), TooLong { octets: 3604 })));
    assert_eq!(table.routes().map(|(prefix, _)| prefix).collect::<Vec<_>>(), [prefix(1)]);
    let most = Attributes { communities: (0..900).collect(), ..Attributes::default() };
    table.announce(prefix(1), most).unwrap();
    let peer = table.join(profile(false));
    let mut router = Router::default();
    router.pull(&mut table, peer);
    assert_eq!(router.routes[&prefix(1)].communities.len(), 900);
}

#[test]
fn another_process_sends_only_the_difference() {
    let mut table = AdjRibOut::new();
    for number in 0..1000 {
        table.announce(prefix(number), with_med(1)).unwrap();
    }
    table.complete();
    let (told, slow) = (table.join(profile(true)), table.join(profile(true)));
    let (mut one, mut two) = (Router::default(), Router::default());
    one.pull(&mut table, told);
    table.withdraw(prefix(0));
    one.pull(&mut table, told);
    two.take(&table.pull(slow).unwrap());
    let positions = [told, slow].map(|peer| table.position(peer).unwrap());
    let mut next = AdjRibOut::resume(table.save());
    let [told, slow] = positions.map(|position| next.rejoin(profile(true), position));
    let routes = (2..1001).map(|number| (prefix(number), Arc::new(with_med(1)))).collect();
    assert_eq!(next.replace(routes).unwrap(), Changed { announced: 1, withdrawn: 1 });
    let said = one.said;
    one.pull(&mut next, told);
    two.pull(&mut next, slow);
    assert_eq!(one.said - said, 2);
    assert_eq!(one.routes, two.routes);
    assert_eq!(one.routes.len(), 999);
    assert_eq!((one.ends.len(), two.ends.len()), (2, 2));
    assert_eq!(next.routes.len(), 999);
}

#[derive(Debug, Clone)]
enum Step {
    Announce(u32, u32),
    Withdraw(u32),
    Join(bool),
    Leave(usize),
    Pull(usize, usize),
    Refresh(usize),
    Drain(bool),
    Save,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u32..30, 0u32..3).prop_map(|(prefix, med)| Step::Announce(prefix, med)),
        4 => (0u32..30).prop_map(Step::Withdraw),
        2 => any::<bool>().prop_map(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => (any::<usize>(), 1usize..3).prop_map(|(peer, count)| Step::Pull(peer, count)),
        1 => any::<usize>().prop_map(Step::Refresh),
        1 => any::<bool>().prop_map(Step::Drain),
        1 => Just(Step::Save),
    ];
    vec(step, 1..120)
}

proptest! {
    /// However peers come, go, lag and ask: each ends with exactly the routes of the table.
    #[test]
    fn every_peer_ends_with_the_table(steps in steps()) {
        let mut table = AdjRibOut::new();
        let mut model = BTreeMap::new();
        let mut peers: Vec<(PeerId, bool, Router)> = Vec::new();
        for step in steps {
            match step {
                Step::Announce(number, med) => {
                    let changed = model.insert(prefix(number), med) != Some(med);
                    prop_assert_eq!(table.announce(prefix(number), with_med(med)).unwrap(), changed);
                }
                Step::Withdraw(number) => {
                    prop_assert_eq!(table.withdraw(prefix(number)), model.remove(&prefix(number)).is_some());
                }
                Step::Join(external) => peers.push((table.join(profile(external)), external, Router::default())),
                Step::Leave(index) if !peers.is_empty() => table.leave(peers.remove(index % peers.len()).0),
                Step::Pull(index, count) if !peers.is_empty() => {
                    let index = index % peers.len();
                    let (peer, _, router) = &mut peers[index];
                    for _ in 0..count {
                        table.pull(*peer).iter().for_each(|batch| router.take(batch));
                    }
                }
                Step::Refresh(index) if !peers.is_empty() => table.refresh(peers[index % peers.len()].0, Family::Ipv4Unicast),
                Step::Drain(draining) => table.set_draining(draining),
                Step::Save => {
                    let positions: Vec<_> = peers.iter().map(|(peer, ..)| table.position(*peer).unwrap()).collect();
                    table = AdjRibOut::resume(table.save());
                    for ((peer, external, _), position) in peers.iter_mut().zip(positions) {
                        *peer = table.rejoin(profile(*external), position);
                    }
                }
                _ => {}
            }
        }
        for (peer, external, router) in &mut peers {
            router.pull(&mut table, *peer);
            let heard: BTreeMap<_, _> = router.routes.iter().map(|(prefix, heard)| (*prefix, heard.med.unwrap())).collect();
            prop_assert_eq!(&heard, &model);
            let draining = table.draining;
            prop_assert!(router.routes.values().all(|heard| heard.communities.contains(&GRACEFUL_SHUTDOWN) == draining));
            prop_assert!(router.routes.values().all(|heard| heard.local_pref.is_none() == *external));
        }
        prop_assert_eq!(table.routes.len(), model.len());
        prop_assert_eq!(table.log.len(), model.len());
        prop_assert!(table.gone.is_empty());
        let sets: BTreeSet<u32> = model.values().copied().collect();
        prop_assert_eq!(table.attributes.len(), sets.len());
    }
}
