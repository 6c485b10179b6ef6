//! What a route carries.

use std::collections::BTreeSet;

use super::session::SessionKind;
use crate::model::{BgpAdvertisement, Community};

/// LOCAL_PREF where nobody says otherwise (RFC 4271 leaves it open; every implementation takes 100).
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// "Take another way if you can, this one will go" (RFC 8326, section 4).
pub const GRACEFUL_SHUTDOWN: Community = Community::Standard(65535, 0);

/// Path attributes of a route that the operator decides. ORIGIN is always IGP, and nothing else may differ between nodes:
/// routers form ECMP only over routes that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attributes {
    /// LOCAL_PREF towards iBGP peers; see [`Attributes::local_pref_towards`].
    pub local_pref: u32,
    /// Standard and large communities.
    pub communities: BTreeSet<Community>,
}

impl Attributes {
    /// What several advertisements of one prefix give together, in whatever order they come: all their communities, and
    /// the highest of the local preferences that are given.
    pub(super) fn merged<'a>(advertisements: impl IntoIterator<Item = &'a BgpAdvertisement>) -> Self {
        let (mut local_pref, mut communities) = (None, BTreeSet::new());
        for told in advertisements {
            local_pref = local_pref.max(told.local_pref);
            communities.extend(told.communities.iter().copied());
        }
        Self { local_pref: local_pref.unwrap_or(DEFAULT_LOCAL_PREF), communities }
    }

    /// The same route while its node gets ready to go: marked for routers that know the community, and of the lowest
    /// preference for iBGP peers that do not (RFC 8326, section 4.2).
    pub(super) fn shutting_down(&self) -> Self {
        let mut communities = self.communities.clone();
        communities.insert(GRACEFUL_SHUTDOWN);
        Self { local_pref: 0, communities }
    }

    /// LOCAL_PREF as it is told on a session of this kind: `None` towards eBGP peers (RFC 4271, section 5.1.5). While an
    /// AS number is still to be taken from the router's OPEN, it is not known which; ask again with what it said.
    pub fn local_pref_towards(&self, kind: SessionKind) -> Option<u32> {
        (kind == SessionKind::Internal).then_some(self.local_pref)
    }
}
