//! The metrics of BGP sessions, by peer and router.

use super::metrics::Scrape;
use crate::bgp::{BgpStatus, PeerStatus};

type Labels<const N: usize> = [(&'static str, String); N];

fn labels(session: &PeerStatus) -> Labels<2> {
    [("peer", session.peer.1.clone()), ("router", session.router.clone())]
}

/// All of them.
pub(super) fn of_bgp(scrape: &mut Scrape, bgp: &BgpStatus) {
    let gauge = |value: fn(&PeerStatus) -> f64| bgp.sessions.iter().map(move |of| (labels(of), value(of)));
    let counter = |value: fn(&PeerStatus) -> u64| bgp.sessions.iter().map(move |of| (labels(of), value(of)));
    scrape.gauge(
        "quorumlb_bgp_session_up",
        "Whether the BGP session with a router is established",
        gauge(|of| f64::from(u8::from(of.is_up()))),
    );
    scrape.gauge("quorumlb_bgp_routes", "Routes that a router is told, or is to be told", gauge(|of| of.routes as f64));
    scrape.counter("quorumlb_bgp_established", "How often a session came up", counter(|of| of.established));
    scrape.counter("quorumlb_bgp_flawed_updates", "UPDATEs of a router with a flaw", counter(|of| of.flawed));
    let messages = bgp.sessions.iter().flat_map(|session| {
        let [peer, router] = labels(session);
        let (received, sent) = session.messages;
        [("received", received), ("sent", sent)]
            .map(|(direction, count)| ([peer.clone(), router.clone(), ("direction", direction.to_owned())], count))
    });
    scrape.counter("quorumlb_bgp_messages", "BGP messages by direction", messages);
    scrape.gauge(
        "quorumlb_bgp_unprogrammed_addresses",
        "Addresses that routers are not told of, because packets for them cannot be taken",
        [([], bgp.unprogrammed.len() as f64)],
    );
}
