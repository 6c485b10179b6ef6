//! What the BGP kinds of all dialects have in common.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quorumlb_raft_store::model::{BgpTimers, Community, Family, PeerFamily, Selector};

use super::decode::{Cx, Fields, boolean, choice, crop, int, list, mapping, near_miss, selector, text};
use super::objects::{Objects, Target};
use super::yaml::Node;

/// Communities with names of their own (IANA).
const WELL_KNOWN: [(&str, u16, u16); 14] = [
    ("internet", 0, 0),
    ("planned-shut", 65535, 0),
    ("accept-own", 65535, 1),
    ("route-filter-translated-v4", 65535, 2),
    ("route-filter-v4", 65535, 3),
    ("route-filter-translated-v6", 65535, 4),
    ("route-filter-v6", 65535, 5),
    ("llgr-stale", 65535, 6),
    ("no-llgr", 65535, 7),
    ("blackhole", 65535, 666),
    ("no-export", 65535, 65281),
    ("no-advertise", 65535, 65282),
    ("no-export-subconfed", 65535, 65283),
    ("no-peer", 65535, 65284),
];

/// An AS number of 32 bits; `least` is 0 where a dialect gives 0 a meaning.
pub(super) fn asn(least: i64) -> impl Fn(&Node, Cx) -> Option<u32> {
    int(least..=i64::from(u32::MAX))
}

/// Parses `65000:100`, or a number of 32 bits.
pub(super) fn parse_standard(text: &str) -> Option<Community> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once(':') {
        Some((high, low)) if digits(high) && digits(low) => {
            Some(Community::Standard(high.parse().ok()?, low.parse().ok()?))
        }
        None if digits(text) => {
            let number: u32 = text.parse().ok()?;
            Some(Community::Standard((number >> 16) as u16, number as u16))
        }
        _ => None,
    }
}

/// Parses `65000:1:2`.
pub(super) fn parse_large(text: &str) -> Option<Community> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    match parts[..] {
        [global, one, two] => Some(Community::Large(number(global)?, number(one)?, number(two)?)),
        _ => None,
    }
}

/// A community by its well-known name.
pub(super) fn well_known(name: &str) -> Option<Community> {
    let found = WELL_KNOWN.iter().find(|(known, ..)| *known == name);
    found.map(|(_, high, low)| Community::Standard(*high, *low))
}

fn community(
    parse: fn(&str) -> Option<Community>,
    what: &'static str,
    example: &'static str,
) -> impl Fn(&Node, Cx) -> Option<Community> {
    move |node, cx| {
        // `65000:100` without quotes is text, a lone number is not; both are meant the same.
        let text = super::decode::text_or_number(node, cx)?;
        let found = parse(&text);
        if found.is_none() {
            let hint = match near_miss(&text, WELL_KNOWN.iter().map(|(name, ..)| *name)) {
                Some(meant) if what.contains("well-known") => format!("did you mean `{meant}`?"),
                _ => example.to_owned(),
            };
            cx.report.error(node.place, format!("`{}` is not a {what}", crop(&text)), hint);
        }
        found
    }
}

/// Cilium's `attributes`: communities and local preference.
pub(super) fn attributes(fields: &Fields) -> (BTreeSet<Community>, Option<u32>) {
    let communities = fields.get("communities", |node, cx| {
        mapping(node, cx, |fields| {
            let standard = community(parse_standard, "standard community", "as in `65000:100`");
            let large = community(parse_large, "large community", "as in `65000:1:2`");
            let named = community(well_known, "well-known community", "as in `no-export`");
            let mut all: BTreeSet<Community> = fields.list("standard", standard).into_iter().collect();
            all.extend(fields.list("large", large));
            all.extend(fields.list("wellKnown", named));
            Some(all)
        })
    });
    (communities.unwrap_or_default(), fields.get("localPreference", int(0..=i64::from(u32::MAX))))
}

/// Communities as our kinds and MetalLB's write them: `65000:100`, `large:65000:1:2`, `65000:1:2`, or a name. Names
/// that are not well-known are aliases, which come second.
pub(super) fn communities(
    fields: &Fields,
    objects: &mut Objects,
    aliases: bool,
) -> (BTreeSet<Community>, BTreeSet<String>) {
    let (mut known, mut names) = (BTreeSet::new(), BTreeSet::new());
    let texts = fields.list("communities", |node, cx| Some((super::decode::text_or_number(node, cx)?, node.place)));
    for (text, place) in texts {
        match parse_community(&text) {
            Some(community) => drop(known.insert(community)),
            None if aliases && !text.contains(':') && !text.is_empty() => {
                objects.refer(Target::Community, &text, place, fields.cx);
                names.insert(text);
            }
            None => {
                let hint = "as in `65000:100`, `large:65000:1:2` or `no-export`".to_owned();
                fields.cx.report.error(place, format!("`{}` is not a community", crop(&text)), hint);
            }
        }
    }
    (known, names)
}

/// A community in any notation.
pub(super) fn parse_community(text: &str) -> Option<Community> {
    match text.strip_prefix("large:") {
        Some(large) => parse_large(large),
        None => parse_large(text).or_else(|| parse_standard(text)).or_else(|| well_known(text)),
    }
}

/// Cilium's timers; its defaults are 120, 90 and 30 seconds.
pub(super) fn cilium_timers(fields: &Fields) -> BgpTimers {
    let default = BgpTimers::default();
    let timers = BgpTimers {
        connect_retry_seconds: fields.or(
            "connectRetryTimeSeconds",
            default.connect_retry_seconds,
            int(1..=i64::from(i32::MAX)),
        ),
        hold_seconds: fields.or("holdTimeSeconds", default.hold_seconds, int(3..=65_535)),
        keepalive_seconds: fields.or("keepAliveTimeSeconds", default.keepalive_seconds, int(1..=65_535)),
    };
    if timers.keepalive_seconds > timers.hold_seconds {
        let (name, other) = ("keepAliveTimeSeconds", "holdTimeSeconds");
        let at = if fields.node(name).is_some() { name } else { other };
        let (keepalive, hold) = (timers.keepalive_seconds, timers.hold_seconds);
        let message = format!("`{name}` ({keepalive}) is longer than `{other}` ({hold})");
        fields.cx.report.error(fields.key_place(at), message, format!("usual is a third: {}", (hold / 3).max(1)));
    }
    timers
}

/// Cilium's `gracefulRestart`, as its restart time when it is on.
pub(super) fn graceful_restart(node: &Node, cx: Cx) -> Option<Option<u16>> {
    mapping(node, cx, |fields| {
        let enabled = fields.need("enabled", boolean);
        let seconds = fields.or("restartTimeSeconds", 120, int(1..=4_095));
        Some(enabled?.then_some(seconds))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Afi {
    V4,
    V6,
    Other,
}

/// Cilium's `families`; those that we cannot speak are named in a warning.
pub(super) fn cilium_families(fields: &Fields, with_selectors: bool) -> Vec<PeerFamily> {
    let family = |node: &Node, cx: Cx| {
        mapping(node, cx, |fields| {
            let afi = fields.need("afi", choice(&AFIS));
            let unicast = fields.need("safi", choice(&SAFIS));
            let advertisements = if with_selectors { fields.get("advertisements", selector) } else { None };
            let family = match (afi?, unicast?) {
                (Afi::V4, true) => Family::V4,
                (Afi::V6, true) => Family::V6,
                _ => {
                    cx.report.warning(node.place, "only the families ipv4 unicast and ipv6 unicast are spoken", None);
                    return None;
                }
            };
            Some(PeerFamily { family, advertisements })
        })
    };
    match fields.node("families") {
        None => default_families(),
        Some(node) => list(node, fields.cx, family).unwrap_or_default(),
    }
}

/// Both, with no advertisement selected.
pub(super) fn default_families() -> Vec<PeerFamily> {
    Family::BOTH.into_iter().map(|family| PeerFamily { family, advertisements: None }).collect()
}

const AFIS: [(&str, Afi); 5] =
    [("ipv4", Afi::V4), ("ipv6", Afi::V6), ("l2vpn", Afi::Other), ("ls", Afi::Other), ("opaque", Afi::Other)];

const SAFIS: [(&str, bool); 15] = [
    ("unicast", true),
    ("multicast", false),
    ("mpls_label", false),
    ("encapsulation", false),
    ("vpls", false),
    ("evpn", false),
    ("ls", false),
    ("sr_policy", false),
    ("mup", false),
    ("mpls_vpn", false),
    ("mpls_vpn_multicast", false),
    ("route_target_constraints", false),
    ("flowspec_unicast", false),
    ("flowspec_vpn", false),
    ("key_value", false),
];

/// A selector under which nothing is selected when it is missing.
pub(super) fn optional_selectors(fields: &Fields, name: &'static str) -> Option<Vec<Selector>> {
    fields.get(name, selector).map(|selector| vec![selector])
}

/// The `name` of a reference such as `peerConfigRef: {name: ...}`.
pub(super) fn reference_name(node: &Node, cx: Cx) -> Option<String> {
    mapping(node, cx, |fields| {
        fields.accept(&["group", "kind"]);
        fields.need("name", text)
    })
}

/// Whether two addresses can be the ends of one connection.
pub(super) fn same_family(one: IpAddr, other: IpAddr) -> bool {
    Family::of(one) == Family::of(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_are_read_in_every_notation() {
        for (text, shown) in [
            ("65000:100", "65000:100"),
            ("4294901761", "65535:1"),
            ("large:65000:1:2", "65000:1:2"),
            ("4294967295:0:1", "4294967295:0:1"),
            ("no-export", "65535:65281"),
        ] {
            assert_eq!(parse_community(text).map(|community| community.to_string()).as_deref(), Some(shown));
        }
        for text in ["", ":", "65536:1", "large:1:2", "1:2:3:4", "4294967296", "+1:2", "alias"] {
            assert_eq!(parse_community(text), None, "{text}");
        }
    }
}
