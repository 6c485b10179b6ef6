//! One node's sessions, and the tables that they are told from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::audience::{Audience, is_told_by};
use super::offering::{Offer, Offering, SetId};
use super::prefix::{canonical, is_routable};
use super::session::{PeerKey, Sessions};
use super::shutdown::Phase;
use super::table::{Before, Table};
use crate::model::{Advertised, Bgp, BgpAdvertisement, Family};
use crate::placement::NodeView;

/// An offer that this node takes up.
pub(crate) type Taken = (IpAddr, bool, SetId);

/// One node's sessions and tables.
#[derive(Clone, Debug)]
pub(crate) struct NodeTables {
    pub(crate) sessions: Sessions,
    pub(super) tables: Vec<Table>,
    pub(super) of_session: BTreeMap<PeerKey, usize>,
    index: Option<u32>,
}

impl NodeTables {
    /// Sessions, and tables that hold what the node tells of itself; what it tells of services comes by offers.
    pub(crate) fn new(offering: &Offering, bgp: &Bgp, node: &NodeView, phase: Phase) -> Self {
        let sessions = Sessions::of(bgp, node);
        let (mut tables, mut of_session) = (Vec::new(), BTreeMap::new());
        let mut known: BTreeMap<Audience, usize> = BTreeMap::new();
        for session in &sessions.kept {
            let Some(peer) = bgp.peers.get(&session.peer) else { continue };
            let audience = Audience::of(offering, peer, session, node);
            let place = *known.entry(audience.clone()).or_insert_with(|| {
                tables.push(own_routes(offering, audience, node, phase));
                tables.len() - 1
            });
            of_session.insert(session.peer.clone(), place);
        }
        let index = offering.index(&node.node.name);
        Self { sessions, tables, of_session, index }
    }

    /// What of these offers is this node's to tell.
    pub(crate) fn take(&self, offers: &[Offer], programmed: impl Fn(IpAddr) -> bool) -> Box<[Taken]> {
        let here = |offer: &&Offer| match (&offer.nodes, self.index) {
            (None, _) => true,
            (Some(nodes), Some(index)) => nodes.binary_search(&index).is_ok(),
            (Some(_), None) => false,
        };
        let taken = offers.iter().filter(here).filter(|offer| programmed(offer.address));
        taken.map(|offer| (offer.address, offer.exact, offer.set)).collect()
    }

    /// Adds all that is taken to tables that nothing was added to so far.
    pub(crate) fn fill<'a>(&mut self, offering: &Offering, taken: impl Iterator<Item = &'a Taken> + Clone) {
        self.tables.iter_mut().for_each(|table| table.fill(offering, taken.clone()));
    }

    /// Adds what is taken to every table, or strikes it out; `before` has a place for each table.
    pub(crate) fn tell(&mut self, offering: &Offering, taken: &[Taken], more: bool, before: &mut [Before]) {
        for (table, before) in self.tables.iter_mut().zip(before) {
            taken.iter().for_each(|offer| table.offer(offering, *offer, more, before));
        }
    }

    pub(crate) fn table(&self, peer: &PeerKey) -> Option<&Table> {
        self.of_session.get(peer).map(|place| &self.tables[*place])
    }
}

/// A table with the node's pod networks and the addresses of its interfaces.
fn own_routes(offering: &Offering, audience: Audience, node: &NodeView, phase: Phase) -> Table {
    let mut own = Vec::new();
    for family in Family::BOTH {
        for id in audience.heard(family) {
            let of_family = own_prefixes(offering.advertisement(*id), node);
            own.extend(of_family.filter(|prefix| Family::of(prefix.ip()) == family).map(|prefix| (prefix, *id)));
        }
    }
    let mut table = Table::new(audience, phase);
    table.fill_own(offering, own);
    table
}

/// What an advertisement is about that is the node's own.
pub(super) fn own_prefixes(told: &BgpAdvertisement, node: &NodeView) -> impl Iterator<Item = IpNetwork> {
    let is_told = is_told_by(told, node).is_ok();
    let pods = match told.what {
        Advertised::PodCidrs => &node.node.pod_cidrs[..],
        Advertised::Services { .. } | Advertised::Interface(_) => &[],
    };
    let interfaces = node.interfaces.unwrap_or_default().iter().filter(|interface| match &told.what {
        Advertised::Interface(name) => interface.up && interface.name == *name,
        Advertised::Services { .. } | Advertised::PodCidrs => false,
    });
    let addresses = interfaces.flat_map(|interface| &interface.addresses).map(IpNetwork::ip);
    let own = pods.iter().copied().map(canonical);
    own.chain(addresses.filter(|address| is_routable(*address)).map(IpNetwork::from)).filter(move |_| is_told)
}
