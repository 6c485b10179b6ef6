//! Nodes come, tell of themselves, are relieved and go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::owners::Reconsider;
use super::state::Session;
use super::{Epoch, Event, Incarnation, MoveReason, NodeReport, Outcome, SessionId, State};
use crate::model::NodeName;

impl State {
    pub(super) fn report(
        &mut self,
        node: &NodeName,
        incarnation: Incarnation,
        report: &NodeReport,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let member = self.members.entry(node.clone()).or_default();
        if member.session.is_some_and(|session| session.incarnation != incarnation) {
            return Outcome::Refused(format!("{node} has a newer run than the one that reports"));
        }
        let interfaces_changed = member.report.as_ref().is_none_or(|before| before.interfaces != report.interfaces);
        let same_view = !interfaces_changed && member.refused == report.refused;
        let message = difference(member.report.as_ref(), report);
        member.refused = report.refused.clone();
        member.report = Some(report.clone());
        if !message.is_empty() {
            events.push(Event::NodeChanged { node: node.clone(), message });
        }
        if interfaces_changed {
            self.derived.journal.touch_everything();
        }
        if !same_view {
            self.nodes_changed();
            self.follow_own_addresses(events);
            // A report never ends an ownership by itself, not even that of a lost carrier: by the time it is applied
            // everywhere, the carrier may be back and the owner, which may not have applied it yet, answer again (P3).
            self.settle(&Reconsider::Everything, events);
        }
        Outcome::Done
    }

    pub(super) fn open_session(
        &mut self,
        node: &NodeName,
        incarnation: Incarnation,
        id: SessionId,
        events: &mut Vec<Event>,
    ) -> Outcome {
        if !self.wanted.nodes.contains_key(node) && !self.wanted.nodes.is_empty() {
            return Outcome::Refused(format!("the configuration has no node {node}: add it under spec.nodes"));
        }
        let member = self.members.entry(node.clone()).or_default();
        match member.session {
            Some(session) if session.incarnation == incarnation => return Outcome::Session(session.id),
            _ => member.session = Some(Session { id, incarnation, handing_over: false }),
        }
        member.refused.clear();
        events.push(Event::SessionOpened { node: node.clone(), session: id });
        self.node_changed(node, events);
        Outcome::Session(id)
    }

    pub(super) fn expire_session(&mut self, node: &NodeName, id: SessionId, events: &mut Vec<Event>) -> Outcome {
        if !self.end_session(node, id) {
            return Outcome::Refused(format!("{node} has no session {}", id.0));
        }
        events.push(Event::SessionExpired { node: node.clone(), session: id });
        self.node_changed(node, events);
        Outcome::Done
    }

    pub(super) fn close_session(&mut self, node: &NodeName, id: SessionId, events: &mut Vec<Event>) -> Outcome {
        if !self.end_session(node, id) {
            return Outcome::Refused(format!("{node} has no session {}", id.0));
        }
        events.push(Event::SessionClosed { node: node.clone() });
        self.node_changed(node, events);
        Outcome::Done
    }

    /// A node may serve now, or may not any more; nobody else stands otherwise for it.
    fn node_changed(&mut self, node: &NodeName, events: &mut Vec<Event>) {
        self.nodes_changed();
        self.settle(&Reconsider::Node(node.clone()), events);
    }

    fn end_session(&mut self, node: &NodeName, id: SessionId) -> bool {
        let Some(member) = self.members.get_mut(node) else { return false };
        let ends = member.session.is_some_and(|session| session.id == id);
        if ends {
            member.session = None;
        }
        ends
    }

    pub(super) fn refuse(
        &mut self,
        node: &NodeName,
        address: IpAddr,
        epoch: Epoch,
        message: &str,
        events: &mut Vec<Event>,
    ) -> Outcome {
        if !self.holds(node, address, epoch) {
            return Outcome::Refused(format!("{node} does not own {address} at epoch {}", epoch.0));
        }
        self.members.entry(node.clone()).or_default().refused.insert(address);
        events.push(Event::Refused { address, node: node.clone(), message: message.to_owned() });
        self.derived.balance_changed();
        if let Some(eligibility) = &mut self.derived.eligibility {
            eligibility.refuse(node, address);
        }
        self.give_up(BTreeMap::from([(address, MoveReason::NotEligible)]), events);
        Outcome::Done
    }

    pub(super) fn drain(&mut self, node: &NodeName, on: bool, events: &mut Vec<Event>) -> Outcome {
        if !self.wanted.nodes.contains_key(node) && !self.members.contains_key(node) {
            let known: Vec<_> = self.wanted.nodes.keys().map(NodeName::as_str).collect();
            return Outcome::Refused(format!("there is no node {node}; known are: {}", known.join(", ")));
        }
        let member = self.members.entry(node.clone()).or_default();
        if member.draining == on {
            return Outcome::Done;
        }
        member.draining = on;
        member.leaving &= on;
        events.push(Event::Drained { node: node.clone(), on });
        self.node_changed(node, events);
        Outcome::Done
    }

    pub(super) fn leave(&mut self, node: &NodeName, events: &mut Vec<Event>) -> Outcome {
        let Some(member) = self.members.get_mut(node) else {
            return Outcome::Refused(format!("nothing is known of a node {node}"));
        };
        if !member.leaving {
            member.leaving = true;
            events.push(Event::Leaving { node: node.clone() });
        }
        self.drain(node, true, events)
    }

    pub(super) fn hand_over(&mut self, node: &NodeName, id: SessionId, events: &mut Vec<Event>) -> Outcome {
        let session = self.members.get_mut(node).and_then(|member| member.session.as_mut());
        let Some(session) = session.filter(|session| session.id == id) else {
            return Outcome::Refused(format!("{node} has no session {}", id.0));
        };
        if !session.handing_over {
            session.handing_over = true;
            events.push(Event::HandingOver { node: node.clone() });
            self.node_changed(node, events);
        }
        Outcome::Done
    }

    pub(super) fn forget(&mut self, node: &NodeName, events: &mut Vec<Event>) -> Outcome {
        match self.members.get(node) {
            None => Outcome::Refused(format!("nothing is known of a node {node}")),
            Some(member) if member.session.is_some() => {
                Outcome::Refused(format!("{node} still has a session: stop it first"))
            }
            Some(_) => {
                self.members.remove(node);
                events.push(Event::Forgotten { node: node.clone() });
                // Its declared interfaces count again, which may decide whether others have the only subnet.
                self.derived.journal.touch_everything();
                self.nodes_changed();
                self.follow_own_addresses(events);
                self.settle(&Reconsider::Everything, events);
                Outcome::Done
            }
        }
    }
}

/// What is new in a report, in words; empty when nothing is that an operator would care for.
fn difference(before: Option<&NodeReport>, now: &NodeReport) -> String {
    let Some(before) = before else { return format!("runs {}", now.version) };
    let mut said = Vec::new();
    if before.version != now.version {
        said.push(format!("runs {} instead of {}", now.version, before.version));
    }
    for interface in &now.interfaces {
        match before.interfaces.iter().find(|known| known.name == interface.name) {
            Some(known) if known.up != interface.up => {
                said.push(format!("interface {} is {}", interface.name, if interface.up { "up" } else { "down" }));
            }
            Some(known) if known.addresses != interface.addresses => {
                said.push(format!("interface {} has other addresses", interface.name));
            }
            Some(_) => {}
            None => said.push(format!("interface {} is new", interface.name)),
        }
    }
    let gone = before.interfaces.iter().filter(|known| !now.interfaces.iter().any(|i| i.name == known.name));
    said.extend(gone.map(|interface| format!("interface {} is gone", interface.name)));
    if before.config_error != now.config_error && !now.config_error.is_empty() {
        said.push(format!("its files are wrong: {}", now.config_error));
    }
    said.join("; ")
}

#[cfg(test)]
mod tests;
