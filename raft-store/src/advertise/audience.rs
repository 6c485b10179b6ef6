//! Which advertisements a session is told.

use super::offering::{AdvertisementId, Offering};
use super::reason::Untold;
use super::session::Session;
use crate::model::{BgpAdvertisement, BgpPeer, Dialect, Family, PeerMatch, any_selects};
use crate::placement::NodeView;

/// The advertisements that are for a session, for each family. Sessions of equal audience are told the same routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Audience {
    v4: Vec<AdvertisementId>,
    v6: Vec<AdvertisementId>,
}

impl Audience {
    /// That of a session of the node.
    pub(super) fn of(offering: &Offering, peer: &BgpPeer, session: &Session, node: &NodeView) -> Self {
        let heard = |family| {
            let told = offering.advertisements().filter(|(_, told)| {
                session.families.contains(&family)
                    && reaches(told, peer, family).is_ok()
                    && is_told_by(told, node).is_ok()
            });
            told.map(|(id, _)| id).collect()
        };
        Self { v4: heard(Family::V4), v6: heard(Family::V6) }
    }

    /// Those for a family, in order.
    pub(super) fn heard(&self, family: Family) -> &[AdvertisementId] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// Whether an advertisement is for a peer and a family of it.
///
/// # Errors
/// [`Untold::PeerNotSelected`].
pub(super) fn reaches(told: &BgpAdvertisement, peer: &BgpPeer, family: Family) -> Result<(), Untold> {
    let reaches = told.dialect == peer.dialect
        && match &told.peers {
            PeerMatch::All => true,
            PeerMatch::Names(names) => names.contains(&peer.name),
            PeerMatch::ByLabels => peer
                .families
                .iter()
                .filter(|of| of.family == family)
                .any(|of| of.advertisements.as_ref().is_some_and(|selector| selector.matches(&told.labels))),
        };
    if reaches { Ok(()) } else { Err(Untold::PeerNotSelected) }
}

/// Whether a node tells an advertisement at all.
///
/// # Errors
/// With why not.
pub(super) fn is_told_by(told: &BgpAdvertisement, node: &NodeView) -> Result<(), Untold> {
    if !any_selects(&told.node_selectors, &node.node.labels) {
        Err(Untold::NodeNotSelected)
    } else if told.dialect == Dialect::MetalLb && node.node.excluded() {
        Err(Untold::Excluded)
    } else if told.dialect == Dialect::MetalLb && node.node.network_unavailable {
        Err(Untold::NetworkUnavailable)
    } else {
        Ok(())
    }
}
