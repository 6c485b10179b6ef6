//! The replicated state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::derived::{Derived, Mark, Touched};
use super::staging::Staged;
use super::{Command, Epoch, Event, Incarnation, MoveReason, NodeReport, Outcome, Proposal, SessionId};
use crate::ipam::AddressBook;
use crate::model::{ConfigDigest, NodeName, ServiceKey, Wanted};

/// All that the group knows. Two replicas that applied the same log hold equal states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the operator asked for.
    pub wanted: Wanted,
    /// The configuration that `wanted` is, once it is complete.
    pub config: Option<ConfigDigest>,
    /// Which service has which address.
    pub book: AddressBook,
    /// What is known of the nodes' runs.
    pub members: BTreeMap<NodeName, MemberState>,
    /// Who answers for which address.
    pub owners: BTreeMap<IpAddr, Ownership>,
    /// The last epoch of addresses that have no owner now but are still in use.
    pub(super) past_epochs: BTreeMap<IpAddr, Epoch>,
    /// No epoch of a forgotten address was higher: new ones start above it.
    pub(super) epoch_floor: Epoch,
    /// The longest `hold` that was in force before the present one and may still count for a promise.
    pub(super) earlier_hold: std::time::Duration,
    /// How often `hold` has changed.
    pub(super) hold_changes: u64,
    /// Services that came through the API: a configuration from files neither removes nor replaces them unasked.
    pub(super) from_api: BTreeSet<ServiceKey>,
    /// Parts of a change that is not all there yet.
    pub(super) staged: Option<Staged>,
    /// What follows from the rest.
    #[serde(skip)]
    pub(super) derived: Derived,
}

/// What is known of a node's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberState {
    /// Its session, while it has one.
    pub session: Option<Session>,
    /// What its last run told of itself.
    pub report: Option<NodeReport>,
    /// It is to be relieved of everything.
    pub draining: bool,
    /// Addresses that it could not program.
    pub refused: BTreeSet<IpAddr>,
    /// It is leaving the group for good.
    pub leaving: bool,
}

impl MemberState {
    /// It is to own nothing: drained, or about to stop.
    pub fn relieved(&self) -> bool {
        self.draining || self.session.is_some_and(|session| session.handing_over)
    }
}

/// A node's right to answer for what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The run of the node that it belongs to.
    pub incarnation: Incarnation,
    /// The run is about to end, and hands over what it owns.
    pub handing_over: bool,
}

/// A node answers for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The owner.
    pub node: NodeName,
    /// Grows with each change of owner.
    pub epoch: Epoch,
    /// The interfaces it answers on; empty when they are not known. Shared by all that name the same.
    pub interfaces: Arc<[String]>,
    /// Set while the owner is asked to give the address up.
    pub moving: Option<Moving>,
}

/// A planned move that waits for the owner's release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Why.
    pub why: MoveReason,
    /// Who gets it, if it was chosen for someone.
    pub to: Option<NodeName>,
}

/// What applying one entry gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the proposer.
    pub outcome: Outcome,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl State {
    /// Applies the log entry at `index`. Never fails: what cannot be done is an [`Outcome::Refused`], and changes
    /// nothing.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Applied {
        let mut events = Vec::new();
        let outcome = match &proposal.command {
            Command::Configure(delta) => self.configure_in_parts(delta, &proposal.by, &mut events),
            Command::Report { node, incarnation, report } => self.report(node, *incarnation, report, &mut events),
            Command::OpenSession { node, incarnation } => {
                self.open_session(node, *incarnation, SessionId(index), &mut events)
            }
            Command::ExpireSession { node, session } => self.expire_session(node, *session, &mut events),
            Command::CloseSession { node, session } => self.close_session(node, *session, &mut events),
            Command::Release { node, addresses } => self.release(node, addresses, &mut events),
            Command::Refuse { node, address, epoch, message } => {
                self.refuse(node, *address, *epoch, message, &mut events)
            }
            Command::Drain { node, on } => self.drain(node, *on, &mut events),
            Command::Forget { node } => self.forget(node, &mut events),
            Command::Rebalance { limit } => self.rebalance(*limit, &mut events),
            Command::Leave { node } => self.leave(node, &mut events),
            Command::HandOver { node, session } => self.hand_over(node, *session, &mut events),
            Command::PutService(service) => self.put_service(service, &proposal.by, &mut events),
            Command::HoldStands { changes } => self.hold_stands(*changes),
            Command::DeleteService(key) => self.delete_service(key, &proposal.by, &mut events),
        };
        Applied { outcome, events }
    }

    /// Rebuilds what is derived and not stored; call it after deserialising.
    pub fn reindex(&mut self) {
        self.book.reserve(self.own_addresses());
        self.book.reindex(&self.wanted);
        self.share_interfaces();
        self.derived = Derived::of(&self.wanted, &self.owners);
    }

    /// Lists of interfaces come from a store one by one; most are equal.
    fn share_interfaces(&mut self) {
        let mut known: BTreeSet<Arc<[String]>> = BTreeSet::new();
        for owned in self.owners.values_mut() {
            match known.get(&owned.interfaces) {
                Some(shared) => owned.interfaces = Arc::clone(shared),
                None => drop(known.insert(Arc::clone(&owned.interfaces))),
            }
        }
    }

    /// The longest `hold` under which a promise to a node may still be running.
    pub fn longest_hold(&self) -> std::time::Duration {
        self.wanted.settings.liveness.hold.max(self.earlier_hold)
    }

    /// How often `hold` has changed, while a promise under an earlier, longer one may still be running.
    pub fn hold_shrunk(&self) -> Option<u64> {
        (self.earlier_hold > self.wanted.settings.liveness.hold).then_some(self.hold_changes)
    }

    /// What a node may answer for under its present session, with epoch and interfaces, moving addresses included.
    pub fn owned_by<'a>(&'a self, node: &'a NodeName) -> impl Iterator<Item = (IpAddr, &'a Ownership)> {
        self.owners
            .iter()
            .filter(move |(_, ownership)| ownership.node == *node)
            .map(|(address, owned)| (*address, owned))
    }

    /// Every service on an address: those it was granted to, and those that have it as external IP.
    pub fn users_of(&self, address: IpAddr) -> BTreeSet<&ServiceKey> {
        self.book.users_of(address).chain(self.derived.external.get(&address).into_iter().flatten()).collect()
    }

    /// Every address that someone could answer for: granted ones and external IPs.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.book.addresses().chain(self.derived.external.keys().copied()).collect()
    }

    /// Which services were touched since `mark` was given out, they themselves, their addresses or their backends, and the
    /// mark for the next time. For those who keep up with what services tell; drained nodes and owners are no matter here.
    pub fn touched_since(&self, mark: Option<&Mark>) -> (Touched, Mark) {
        self.derived.journal.since(mark)
    }

    /// Puts an owner in place that was decided elsewhere: for a plan that continues an earlier one.
    pub(crate) fn seed_owner(&mut self, address: IpAddr, node: NodeName, epoch: Epoch, interfaces: Arc<[String]>) {
        self.derived.nodes_changed();
        self.own(address, Ownership { node, epoch, interfaces, moving: None });
    }
}
