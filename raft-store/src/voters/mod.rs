//! Who votes: the next single step that brings the membership closer to what is wanted. Pure; the leader asks it
//! whenever something changed, carries the step out, and asks again.
//!
//! In this order:
//! 1. A node that asks to join becomes a learner.
//! 2. A node to which the wanted state gives another address is reached there from now on (see [`Readdressing`]).
//! 3. A leader that is to leave hands over first.
//! 4. Identities that will not come back go: of a node that left, or that joined again under a new identity. Learners
//!    are removed at once; a voter first loses its vote (rule 5).
//! 5. Votes: a voter that is gone for good, or dead for longer than the patience, hands its vote to a live learner that
//!    has caught up. Votes are added two at a time and taken away two at a time, so that their number stays odd. When
//!    nothing else is to be done, one vote may move to spread the voters over more failure domains.
//! 6. A leader that is to get another address itself hands over, for others can tell whether it answers there.
//!
//! A step never leaves the group without a live majority, and never with fewer failures to spare than before, unless
//! fewer voters are wanted. What stands is kept: a vote moves only for one of the reasons above.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{Labels, NodeName};
use crate::types::{Member, RaftId};

mod address;
mod choose;
#[cfg(test)]
mod tests;

pub use address::Readdressing;
pub use choose::feasible;

/// The labels that name a failure domain; the first that a node has counts.
pub const DOMAIN_LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "rack"];

/// A voter that was not heard of for longer than this is replaced.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// A node's failure domain, or nothing when its labels name none.
pub fn domain(labels: &Labels) -> String {
    DOMAIN_LABELS
        .iter()
        .find_map(|label| labels.get(*label).map(|value| format!("{label}={value}")))
        .unwrap_or_default()
}

/// What the leader observes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How long it has been silent; zero while it answers.
    pub silent: Duration,
    /// It holds all but the last few entries of the log.
    pub caught_up: bool,
}

/// All that the decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The members, voters and learners.
    pub members: BTreeMap<RaftId, Member>,
    /// Those of them that vote.
    pub voters: BTreeSet<RaftId>,
    /// The leader, which is asking.
    pub leader: RaftId,
    /// What is known of each; an identity that is missing was never heard of.
    pub seen: BTreeMap<RaftId, Seen>,
    /// Labels of the nodes.
    pub labels: BTreeMap<NodeName, Labels>,
    /// Identities that ask to be added.
    pub joining: BTreeMap<RaftId, Member>,
    /// Where the wanted state says that nodes are reached; a node that is missing stays where it is.
    pub addresses: BTreeMap<NodeName, SocketAddr>,
    /// Where an identity has just answered the leader, of what [`Roster::to_probe`] named.
    pub answered: BTreeMap<RaftId, SocketAddr>,
    /// Nodes that left for good.
    pub left: BTreeSet<NodeName>,
    /// How many voters are wanted: 1, 3 or 5.
    pub wanted: u8,
    /// How long a voter may be silent before it is replaced.
    pub dead_after: Duration,
}

/// One change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Add a learner.
    AddLearner {
        /// Its identity.
        id: RaftId,
        /// Who it is.
        member: Member,
    },
    /// Reach an identity at another address from now on (openraft's `ChangeMembers::SetNodes`).
    Readdress {
        /// Which.
        id: RaftId,
        /// Who it is, with the new address.
        member: Member,
    },
    /// Let another voter lead, so that the leader can leave or get another address.
    HandOver {
        /// To whom.
        to: RaftId,
    },
    /// Remove a learner.
    Remove {
        /// Which.
        id: RaftId,
        /// Why.
        why: Why,
    },
    /// Change who votes, in one joint change. Whoever loses the vote stays as a learner.
    Voters {
        /// All that vote afterwards.
        voters: BTreeSet<RaftId>,
        /// Why.
        why: Why,
    },
}

/// Why the membership changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The node left for good.
    Left(NodeName),
    /// The node has joined again under another identity.
    Superseded {
        /// Which node.
        node: NodeName,
        /// Its new identity.
        by: RaftId,
    },
    /// A voter was silent for too long.
    Dead {
        /// Which node.
        node: NodeName,
        /// For how long.
        silent: Duration,
    },
    /// There were too few voters.
    TooFew,
    /// There were too many.
    TooMany,
    /// The voters are better spread over failure domains.
    Spread,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddLearner { id, member } => write!(f, "{member} becomes a learner as {id:x}"),
            Self::Readdress { id, member } => write!(f, "{id:x} is reached as {member} from now on"),
            Self::HandOver { to } => write!(f, "leadership goes to {to:x}"),
            Self::Remove { id, why } => write!(f, "{id:x} is removed: {why}"),
            Self::Voters { voters, why } => {
                let voters: Vec<String> = voters.iter().map(|id| format!("{id:x}")).collect();
                write!(f, "the voters are {}: {why}", voters.join(", "))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(node) => write!(f, "{node} left"),
            Self::Superseded { node, by } => write!(f, "{node} takes part as {by:x}"),
            Self::Dead { node, silent: Duration::MAX } => write!(f, "{node} was never heard of"),
            Self::Dead { node, silent } => write!(f, "{node} has been silent for {} s", silent.as_secs()),
            Self::TooFew => f.write_str("too few voters"),
            Self::TooMany => f.write_str("too many voters"),
            Self::Spread => f.write_str("voters spread over more failure domains"),
        }
    }
}

/// The next step, or nothing when the membership is as good as it can be for now.
pub fn next_step(roster: &Roster) -> Option<Step> {
    add_learner(roster)
        .or_else(|| address::readdress(roster))
        .or_else(|| hand_over(roster))
        .or_else(|| remove_learner(roster))
        .or_else(|| choose::next_voters(roster).map(|(voters, why)| Step::Voters { voters, why }))
        .or_else(|| address::hand_over(roster))
}

fn add_learner(roster: &Roster) -> Option<Step> {
    let wanted =
        |(id, member): &(&RaftId, &Member)| !roster.members.contains_key(id) && !roster.left.contains(&member.name);
    roster.joining.iter().find(wanted).map(|(id, member)| Step::AddLearner { id: *id, member: member.clone() })
}

fn hand_over(roster: &Roster) -> Option<Step> {
    roster.gone(roster.leader)?;
    let able = |id: &&RaftId| **id != roster.leader && roster.ready(**id);
    roster.voters.iter().find(able).map(|id| Step::HandOver { to: *id })
}

fn remove_learner(roster: &Roster) -> Option<Step> {
    let learners = roster.members.keys().filter(|id| !roster.voters.contains(id) && **id != roster.leader);
    learners.into_iter().find_map(|id| roster.gone(*id).map(|why| Step::Remove { id: *id, why }))
}

impl Roster {
    /// Whether an identity answers. The leader itself does.
    fn alive(&self, id: RaftId) -> bool {
        id == self.leader || self.seen.get(&id).is_some_and(|seen| seen.silent < self.dead_after)
    }

    /// Whether an identity could vote at once.
    fn ready(&self, id: RaftId) -> bool {
        id == self.leader
            || (self.alive(id) && self.gone(id).is_none() && self.seen.get(&id).is_some_and(|seen| seen.caught_up))
    }

    fn name(&self, id: RaftId) -> NodeName {
        self.members.get(&id).map_or_else(|| NodeName(format!("{id:x}")), |member| member.name.clone())
    }

    fn domain(&self, id: RaftId) -> String {
        let labels = self.members.get(&id).and_then(|member| self.labels.get(&member.name));
        labels.map(domain).unwrap_or_default()
    }

    /// Why an identity will not come back, if so.
    fn gone(&self, id: RaftId) -> Option<Why> {
        let node = self.members.get(&id)?.name.clone();
        if self.left.contains(&node) {
            return Some(Why::Left(node));
        }
        self.successor(id, &node).map(|by| Why::Superseded { node, by })
    }

    /// The identity under which the same node answers now. One process has one identity, so of several only the one
    /// that answers last can be the current one.
    fn successor(&self, id: RaftId, node: &NodeName) -> Option<RaftId> {
        if id == self.leader {
            return None;
        }
        let silent = |id: RaftId| if id == self.leader { Duration::ZERO } else { self.silence(id) };
        let same = self.members.iter().filter(|(other, member)| **other != id && member.name == *node);
        let live = same.filter(|(other, _)| self.alive(**other) && silent(**other) < silent(id));
        live.map(|(other, _)| *other).min_by_key(|other| silent(*other))
    }

    fn silence(&self, id: RaftId) -> Duration {
        self.seen.get(&id).map_or(Duration::MAX, |seen| seen.silent)
    }
}
