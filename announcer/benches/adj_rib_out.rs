//! Routes into the table, and out of it as UPDATEs: 100,000 for one peer, 5,000 for each of 200.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorumlb_announcer::bgp::rib::{AdjRibOut, Attributes, OwnAddresses, PeerId, Profile};
use quorumlb_announcer::bgp::session::Negotiated;
use quorumlb_announcer::bgp::{Family, Prefix};

fn profile() -> Profile {
    let negotiated = Negotiated {
        local_as: 65001,
        identifier: Ipv4Addr::new(192, 0, 2, 1),
        peer_as: 65002,
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
        peer_restart: None,
    };
    Profile::new(&negotiated, OwnAddresses { v4: Some(Ipv4Addr::new(192, 0, 2, 1)), ..OwnAddresses::default() })
}

fn prefix(number: u32) -> Prefix {
    Prefix::host(Ipv4Addr::from_bits(0x0a64_0000 + number).into())
}

/// So many /32s, with so many different sets of attributes by turns.
fn routes(count: u32, sets: u32) -> BTreeMap<Prefix, Arc<Attributes>> {
    let sets: Vec<_> = (0..sets).map(|med| Arc::new(Attributes { med: Some(med), ..Attributes::default() })).collect();
    (0..count).map(|number| (prefix(number), Arc::clone(&sets[number as usize % sets.len()]))).collect()
}

fn table(count: u32, sets: u32) -> AdjRibOut {
    let mut table = AdjRibOut::new();
    table.replace(routes(count, sets)).expect("short attributes");
    table
}

fn pull_all(table: &mut AdjRibOut, peer: PeerId) {
    while let Some(batch) = table.pull(peer) {
        black_box(batch);
    }
}

fn benches(criterion: &mut Criterion) {
    criterion.bench_function("fill 100,000", |bencher| {
        let fill = |routes| {
            let mut table = AdjRibOut::new();
            table.replace(routes).expect("short attributes");
            table
        };
        bencher.iter_batched(|| routes(100_000, 1), fill, BatchSize::LargeInput);
    });
    criterion.bench_function("announce 100,000 one by one", |bencher| {
        let announce = |routes: BTreeMap<Prefix, Arc<Attributes>>| {
            let mut table = AdjRibOut::new();
            for (prefix, attributes) in routes {
                table.announce(prefix, attributes).expect("short attributes");
            }
            table
        };
        bencher.iter_batched(|| routes(100_000, 1), announce, BatchSize::LargeInput);
    });
    for (name, sets) in [("encode 100,000", 1), ("encode 100,000 with 10 sets of attributes", 10)] {
        criterion.bench_function(name, |bencher| {
            let mut table = table(100_000, sets);
            bencher.iter(|| {
                let peer = table.join(profile());
                pull_all(&mut table, peer);
                table.leave(peer);
            });
        });
    }
    criterion.bench_function("5,000 to each of 200 peers", |bencher| {
        let mut table = table(5000, 1);
        bencher.iter(|| {
            let peers: Vec<_> = (0..200).map(|_| table.join(profile())).collect();
            peers.iter().for_each(|peer| pull_all(&mut table, *peer));
            peers.iter().for_each(|peer| table.leave(*peer));
        });
    });
}

criterion_group!(group, benches);
criterion_main!(group);
