//! What an operator should know about what is told.

use std::collections::{BTreeMap, BTreeSet};

use super::audience::Audience;
use super::offering::{AdvertisementId, Offering, length};
use super::reason::NoSession;
use super::session::{PeerKey, Sessions};
use crate::model::{Bgp, BgpAdvertisement, Dialect, Family, NodeName, Wanted};
use crate::placement::NodeView;

/// How many nodes a warning names.
const NAMED: usize = 3;

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caution {
    /// What it is about, as `Kind name`.
    pub object: String,
    /// In words.
    pub message: String,
}

/// What the nodes do with sessions and advertisements.
#[derive(Default)]
struct Survey {
    refused: BTreeMap<(PeerKey, NoSession), Vec<NodeName>>,
    /// Nodes that keep a session by this peer, and whether any advertisement is for it there.
    kept: BTreeMap<PeerKey, bool>,
    audiences: BTreeSet<Audience>,
}

/// Everything worth a warning. `offering` has been asked for what every service offers.
pub(crate) fn cautions(
    wanted: &Wanted,
    nodes: &BTreeMap<NodeName, NodeView<'_>>,
    offering: &Offering,
) -> BTreeSet<Caution> {
    let bgp = &wanted.bgp;
    let mut found = BTreeSet::new();
    if nodes.is_empty() && !bgp.peers.is_empty() {
        let message = "the input has no nodes, so nothing is advertised".to_owned();
        found.insert(Caution { object: "BGP".to_owned(), message });
        return found;
    }
    let survey = survey(bgp, nodes, offering);
    found.extend(of_sessions(bgp, &survey));
    found.extend(of_advertisements(offering, &survey));
    found.extend(of_overrides(bgp, nodes));
    found
}

fn survey(bgp: &Bgp, nodes: &BTreeMap<NodeName, NodeView<'_>>, offering: &Offering) -> Survey {
    let mut survey = Survey::default();
    for (name, node) in nodes {
        let sessions = Sessions::of(bgp, node);
        for (peer, why) in sessions.refused {
            survey.refused.entry((peer, why)).or_default().push(name.clone());
        }
        for session in &sessions.kept {
            let Some(peer) = bgp.peers.get(&session.peer) else { continue };
            let audience = Audience::of(offering, peer, session, node);
            *survey.kept.entry(session.peer.clone()).or_default() |= audience != Audience::default();
            survey.audiences.insert(audience);
        }
    }
    survey
}

fn of_sessions(bgp: &Bgp, survey: &Survey) -> Vec<Caution> {
    let mut found = Vec::new();
    for ((peer, why), nodes) in &survey.refused {
        found.push(Caution { object: peer_object(peer), message: format!("no session from {}: {why}", names(nodes)) });
    }
    let refused: BTreeSet<&PeerKey> = survey.refused.keys().map(|(peer, _)| peer).collect();
    for peer in bgp.peers.keys() {
        let message = match survey.kept.get(peer) {
            Some(true) => continue,
            Some(false) => "no advertisement is for this peer, so nothing is told to it",
            None if refused.contains(peer) => continue,
            None => "no node is selected, so nobody keeps a session with this peer",
        };
        found.push(Caution { object: peer_object(peer), message: message.to_owned() });
    }
    found
}

fn of_advertisements(offering: &Offering, survey: &Survey) -> Vec<Caution> {
    let mut found = Vec::new();
    let heard: BTreeSet<AdvertisementId> = survey
        .audiences
        .iter()
        .flat_map(|audience| Family::BOTH.into_iter().flat_map(|family| audience.heard(family)))
        .copied()
        .collect();
    for (id, told) in offering.advertisements() {
        if !heard.contains(&id) {
            let message = "no session is told this advertisement: no node and peer match it".to_owned();
            found.push(Caution { object: object(told), message });
        }
    }
    for (ids, family) in together(offering, survey) {
        let told: Vec<&BgpAdvertisement> = ids.iter().map(|id| offering.advertisement(*id)).collect();
        let preferences: BTreeSet<u32> = told.iter().map(|told| told.local_pref.unwrap_or(0)).collect();
        if preferences.len() < 2 {
            continue;
        }
        let others: Vec<&str> = told[1..].iter().map(|told| told.name.as_str()).collect();
        let message = format!(
            "it and {} give the same {family} routes to the same peers with different local preferences; the highest is told",
            others.join(", ")
        );
        found.push(Caution { object: object(told[0]), message });
    }
    for id in offering.exact_all_the_same() {
        let told = offering.advertisement(*id);
        let message = "services with externalTrafficPolicy Local are told by exact routes, not by aggregates: a node \
                       would draw in traffic that it has no backend for"
            .to_owned();
        found.push(Caution { object: object(told), message });
    }
    found
}

/// MetalLB's advertisements that give the same prefixes to the same session.
fn together(offering: &Offering, survey: &Survey) -> BTreeSet<(Vec<AdvertisementId>, Family)> {
    let mut found = BTreeSet::new();
    for audience in &survey.audiences {
        for (set, family) in offering.sets().flat_map(|set| Family::BOTH.map(|family| (set, family))) {
            let mut by_length: BTreeMap<u8, Vec<AdvertisementId>> = BTreeMap::new();
            for id in set.iter().filter(|id| audience.heard(family).binary_search(id).is_ok()) {
                let told = offering.advertisement(*id);
                if told.dialect == Dialect::MetalLb {
                    by_length.entry(length(told, family)).or_default().push(*id);
                }
            }
            found.extend(by_length.into_values().filter(|ids| ids.len() > 1).map(|ids| (ids, family)));
        }
    }
    found
}

fn of_overrides(bgp: &Bgp, nodes: &BTreeMap<NodeName, NodeView<'_>>) -> Vec<Caution> {
    let mut found = Vec::new();
    for (name, own) in &bgp.overrides {
        let object = format!("CiliumBGPNodeConfigOverride {name}");
        let Some(node) = nodes.get(name) else {
            found.push(Caution { object, message: "there is no node of this name".to_owned() });
            continue;
        };
        let peers = bgp.peers.values().filter(|peer| peer.dialect == Dialect::Cilium);
        let here = peers.filter(|peer| crate::model::any_selects(&peer.node_selectors, &node.node.labels));
        let instances: BTreeSet<&str> = here.map(|peer| peer.instance.as_str()).collect();
        for instance in own.instances.keys().filter(|instance| !instances.contains(instance.as_str())) {
            let message = format!("no policy gives the node an instance `{instance}`");
            found.push(Caution { object: object.clone(), message });
        }
    }
    found
}

fn names(nodes: &[NodeName]) -> String {
    let named: Vec<&str> = nodes.iter().take(NAMED).map(NodeName::as_str).collect();
    let named = named.join(", ");
    match nodes.len().saturating_sub(NAMED) {
        0 => named,
        1 => format!("{named} and one more node"),
        more => format!("{named} and {more} more nodes"),
    }
}

fn peer_object((dialect, name): &PeerKey) -> String {
    match dialect {
        Dialect::Native => format!("BGPPolicy peer {name}"),
        Dialect::Cilium => format!("Cilium BGP peer {name}"),
        Dialect::MetalLb => format!("BGPPeer {name}"),
    }
}

fn object(told: &BgpAdvertisement) -> String {
    match told.dialect {
        Dialect::Native => format!("BGPPolicy advertisement {}", told.name),
        Dialect::Cilium => format!("Cilium BGP advertisement {}", told.name),
        Dialect::MetalLb => format!("BGPAdvertisement {}", told.name),
    }
}
