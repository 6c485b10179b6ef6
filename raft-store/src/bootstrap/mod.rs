//! How a node finds its place when it starts: it resumes, it founds the group with others, or it joins one.
//!
//! Decided from the node's own disk and from what the other nodes answered; pure, asked again with each new answer.
//!
//! | own disk | answers | decision |
//! |---|---|---|
//! | holds an identity | any | resume under that identity |
//! | empty | one says that a group exists | join it under a new identity, never the old one |
//! | empty | a reachable node was told of other founders, or of another cluster | wait, and say what differs |
//! | empty, not a founder | no group is known | wait |
//! | empty, founder | all founders know of no group and name the same founders | found |
//! | empty, founder | a majority of the founders (itself included) so, and `patience` is over | found |
//! | empty, founder | fewer | wait |
//!
//! Why this is safe. Each founder has an identity of generation 0 that follows from the names, so each computes the same
//! first membership, and openraft may be initialised with equal members on several nodes. What would make two groups is
//! a node that was part of the group, lost its disk, and founds again under its old identity. Such a node finds a
//! majority of empty founders only when the founders that still hold the group are a minority: as long as a majority of
//! them keep their disks, each majority of answers has one of theirs in it. Answers must be of one round, since a
//! founder that was empty a while ago may hold the group now; older ones are not counted.
//!
//! A founder that has taken its identity says that there is no group until its log shows that a majority of the founders
//! has elected a leader. Otherwise the others would join what cannot do anything without them.
//!
//! `patience` gives a founder that holds the group, and is only slow to start, time to say so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Labels, NodeName};
use crate::types::{Member, RaftId};

mod identity;
#[cfg(test)]
mod tests;

pub use identity::{belongs, founding_id, joining_id};

/// What a node's data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disk {
    /// No identity: it is new, or was wiped.
    Empty,
    /// The identity under which the node founded or joined the group.
    Holds(RaftId),
}

/// The cluster as a node's configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// This node.
    pub me: NodeName,
    /// The first voters.
    pub founders: BTreeSet<Member>,
}

/// What a node says when another one that has an empty disk asks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is part of this cluster's group.
    Exists {
        /// The cluster's name.
        cluster: String,
    },
    /// It knows of no group: its disk is empty, too, or holds a founder's identity that no group has come of yet.
    NoGroup {
        /// The cluster's name.
        cluster: String,
        /// The founders that its configuration names.
        founders: BTreeSet<Member>,
    },
}

/// An answer, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What was said.
    pub answer: Answer,
    /// How long ago the question was sent.
    pub age: Duration,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a majority of the founders waits for the rest.
    pub founders: Duration,
    /// An answer that is older does not count any more. At least the pace of asking and one answer's time limit.
    pub fresh: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { founders: Duration::from_secs(3), fresh: Duration::from_secs(2) }
    }
}

/// What the node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on under the identity that its disk holds.
    Resume(RaftId),
    /// It founds the group with these members, all voters, under its own identity of generation 0.
    Initialize {
        /// Its own identity.
        id: RaftId,
        /// The first membership, equal on every founder.
        members: BTreeMap<RaftId, Member>,
    },
    /// It asks to be added as a learner, under an identity from [`joining_id`].
    Join,
    /// It asks again.
    Wait(Reason),
}

/// Why a node waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Two configurations name different clusters.
    #[error("{node} belongs to cluster {theirs}, this node to {ours}; one of the two is configured wrongly")]
    OtherCluster {
        /// Who said it.
        node: NodeName,
        /// Its cluster.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Two configurations lead to different founders.
    #[error("{node} and this node name different founders: {difference}; give both the same list of nodes and voters")]
    OtherFounders {
        /// Who said it.
        node: NodeName,
        /// What only one of the two names.
        difference: String,
    },
    /// This node is not among the founders.
    #[error("not a founder; waiting until {} have founded the group", names(.founders))]
    NotFounder {
        /// Who is.
        founders: BTreeSet<NodeName>,
    },
    /// Too few founders are there.
    #[error("{present} of {all} founders are there, {needed} are needed; missing: {}", names(.missing))]
    TooFew {
        /// Founders that answered, and this node.
        present: usize,
        /// All founders.
        all: usize,
        /// A majority of them.
        needed: usize,
        /// Those that did not answer.
        missing: BTreeSet<NodeName>,
    },
    /// A majority is there, and waits a little for the rest.
    #[error("a majority of the founders is there; waiting {patience:?} for {}", names(.missing))]
    Late {
        /// Those that did not answer.
        missing: BTreeSet<NodeName>,
        /// How long from the start of asking.
        patience: Duration,
    },
}

/// What a node that could be a founder knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name and address.
    pub member: Member,
    /// Its labels.
    pub labels: Labels,
}

/// The founders: as many as `voters` (or the largest odd number of nodes that there is), spread over failure domains,
/// then by name. Every node that has the same list computes the same.
pub fn founders(nodes: &[Candidate], voters: u8) -> BTreeSet<Member> {
    let by_name: BTreeMap<&NodeName, &Candidate> = nodes.iter().map(|node| (&node.member.name, node)).collect();
    let count = crate::voters::feasible(voters, by_name.len());
    let mut chosen = BTreeSet::new();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    while chosen.len() < count {
        let next = by_name.values().filter(|node| !chosen.contains(&node.member)).min_by_key(|node| {
            (used.get(&crate::voters::domain(&node.labels)).copied().unwrap_or(0), &node.member.name)
        });
        let Some(next) = next else { break };
        *used.entry(crate::voters::domain(&next.labels)).or_default() += 1;
        chosen.insert(next.member.clone());
    }
    chosen
}

/// Decides; `heard` holds the last answer of each other node, `asked_for` how long this node has been asking.
pub fn decide(
    plan: &Plan,
    disk: Disk,
    heard: &BTreeMap<NodeName, Heard>,
    asked_for: Duration,
    patience: Patience,
) -> Decision {
    if let Disk::Holds(id) = disk {
        return Decision::Resume(id);
    }
    let others = || heard.iter().filter(|(name, _)| **name != plan.me);
    let ours = |cluster: &String| *cluster == plan.cluster;
    // That a group exists is never outdated.
    if others().any(|(_, heard)| matches!(&heard.answer, Answer::Exists { cluster } if ours(cluster))) {
        return Decision::Join;
    }
    let fresh: BTreeMap<&NodeName, &Answer> =
        others().filter(|(_, heard)| heard.age <= patience.fresh).map(|(name, heard)| (name, &heard.answer)).collect();
    match fresh.iter().find_map(|(name, answer)| contradiction(plan, name, answer)) {
        Some(reason) => Decision::Wait(reason),
        None => found(plan, &fresh, asked_for, patience),
    }
}

/// With no group known and no contradiction heard.
fn found(plan: &Plan, fresh: &BTreeMap<&NodeName, &Answer>, asked_for: Duration, patience: Patience) -> Decision {
    let names: BTreeSet<NodeName> = plan.founders.iter().map(|member| member.name.clone()).collect();
    if !names.contains(&plan.me) {
        return Decision::Wait(Reason::NotFounder { founders: names });
    }
    let (all, needed) = (names.len(), names.len() / 2 + 1);
    let missing: BTreeSet<NodeName> =
        names.into_iter().filter(|name| *name != plan.me && !fresh.contains_key(name)).collect();
    let present = all - missing.len();
    if present < needed {
        return Decision::Wait(Reason::TooFew { present, all, needed, missing });
    }
    if !missing.is_empty() && asked_for < patience.founders {
        return Decision::Wait(Reason::Late { missing, patience: patience.founders });
    }
    let identity = |name: &NodeName| founding_id(&plan.cluster, name);
    let members = plan.founders.iter().map(|member| (identity(&member.name), member.clone())).collect();
    Decision::Initialize { id: identity(&plan.me), members }
}

/// What in an answer keeps this node from founding.
fn contradiction(plan: &Plan, node: &NodeName, answer: &Answer) -> Option<Reason> {
    let (Answer::Exists { cluster } | Answer::NoGroup { cluster, .. }) = answer;
    if *cluster != plan.cluster {
        let (theirs, ours) = (cluster.clone(), plan.cluster.clone());
        return Some(Reason::OtherCluster { node: node.clone(), theirs, ours });
    }
    match answer {
        Answer::NoGroup { founders, .. } if *founders != plan.founders => {
            Some(Reason::OtherFounders { node: node.clone(), difference: difference(&plan.founders, founders, node) })
        }
        Answer::NoGroup { .. } | Answer::Exists { .. } => None,
    }
}

fn difference(ours: &BTreeSet<Member>, theirs: &BTreeSet<Member>, node: &NodeName) -> String {
    let list = |members: Vec<&Member>| members.iter().map(|member| member.to_string()).collect::<Vec<_>>().join(", ");
    let only_ours: Vec<&Member> = ours.difference(theirs).collect();
    let only_theirs: Vec<&Member> = theirs.difference(ours).collect();
    let mut parts = Vec::new();
    if !only_ours.is_empty() {
        parts.push(format!("only here {}", list(only_ours)));
    }
    if !only_theirs.is_empty() {
        parts.push(format!("only at {node} {}", list(only_theirs)));
    }
    parts.join("; ")
}

fn names(set: &BTreeSet<NodeName>) -> String {
    set.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}
