//! A node's address changes in the wanted state; the membership follows.
//!
//! What makes it safe. The membership says where each identity is reached, so a wrong address there cuts a node off,
//! and a few of them cut off the majority that would be needed to set them right. Therefore the leader first asks at the
//! new address ([`Roster::to_probe`]): whoever answers there proves by its certificate that it is the node, and by its
//! answer that it holds an identity of this cluster. Only then does the membership change, for one identity at a time.
//! It does not matter whether the node still answers at its old address: it may have moved already.

use std::net::SocketAddr;

use super::{Roster, Step};
use crate::types::{Member, RaftId};

/// An identity that is to be reached elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readdressing {
    /// Which.
    pub id: RaftId,
    /// Who it is, with the address that it is to get.
    pub member: Member,
}

impl Roster {
    /// Identities that are to get another address. The leader asks each there who it is, over its wire and with a time
    /// limit, and puts those that answer as this node, with an identity of this cluster, into [`Roster::answered`].
    pub fn to_probe(&self) -> Vec<Readdressing> {
        let others = self.members.keys().filter(|id| **id != self.leader);
        others.filter_map(|id| self.wanted_address(*id)).collect()
    }

    /// The address that an identity is to get, if it has another one and the new one is free.
    fn wanted_address(&self, id: RaftId) -> Option<Readdressing> {
        let member = self.members.get(&id)?;
        let address = *self.addresses.get(&member.name)?;
        let moves = address != member.address && self.gone(id).is_none() && self.is_free(address, id);
        moves.then(|| Readdressing { id, member: Member { address, ..member.clone() } })
    }

    /// Whether nobody else has this address or is to get it. Two nodes that are to swap addresses need a third one.
    fn is_free(&self, address: SocketAddr, id: RaftId) -> bool {
        let Some(name) = self.members.get(&id).map(|member| &member.name) else { return false };
        let taken = self.members.iter().any(|(other, member)| *other != id && member.address == address);
        let claimed = self.addresses.iter().any(|(node, wanted)| node != name && *wanted == address);
        let joining = self.joining.iter().any(|(other, member)| *other != id && member.address == address);
        !(taken || claimed || joining)
    }

    /// Nobody else's vote or answer is needed.
    fn is_alone(&self) -> bool {
        self.voters.iter().all(|id| *id == self.leader)
    }
}

pub(super) fn readdress(roster: &Roster) -> Option<Step> {
    let answers = |moved: &Readdressing| roster.answered.get(&moved.id) == Some(&moved.member.address);
    // The only voter needs nobody to reach it, and nobody could tell it whether its address is right.
    let alone = || roster.wanted_address(roster.leader).filter(|_| roster.is_alone());
    let moved = roster.to_probe().into_iter().find(answers).or_else(alone)?;
    Some(Step::Readdress { id: moved.id, member: moved.member })
}

/// Hands over to a voter that is not to get another address itself: it does not hand back for the same reason.
pub(super) fn hand_over(roster: &Roster) -> Option<Step> {
    roster.wanted_address(roster.leader)?;
    let able = |id: &&RaftId| **id != roster.leader && roster.ready(**id) && roster.wanted_address(**id).is_none();
    roster.voters.iter().find(able).map(|id| Step::HandOver { to: *id })
}
