//! Carries a decision out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Decision, Reconsider};
use crate::machine::state::{Moving, Ownership};
use crate::machine::{Epoch, Event, State};
use crate::model::NodeName;

impl State {
    pub(super) fn carry_out(&mut self, mut decision: Decision, events: &mut Vec<Event>) {
        if let Some(tally) = &mut self.derived.tally {
            for (address, class) in &decision.classes {
                tally.classify(*address, *class, self.owners.get(address));
            }
        }
        let mut before = BTreeMap::new();
        for (address, why) in &decision.ended {
            if let Some(owned) = self.owners.remove(address) {
                self.count(*address, Some(owned.holder()), None);
                before.insert(*address, (owned.node, *why, owned.epoch));
            }
        }
        decision.granted.sort_unstable_by_key(|(address, ..)| *address);
        for (address, node, interfaces) in decision.granted {
            let (from, why, last) = match before.remove(&address) {
                Some((from, why, last)) => (Some(from), Some(why), last),
                None => (None, None, self.past_epochs.remove(&address).unwrap_or_default()),
            };
            let epoch = Epoch(last.max(self.epoch_floor).0 + 1);
            events.push(Event::Granted { address, node: node.clone(), epoch, from, why });
            self.own(address, Ownership { node, epoch, interfaces, moving: None });
        }
        for (address, (_, _, epoch)) in &before {
            self.past_epochs.insert(*address, *epoch);
        }
        for (address, message) in decision.unowned {
            if let Some((from, ..)) = before.remove(&address) {
                events.push(Event::Unowned { address, from, message });
            }
        }
        for (address, interfaces) in decision.interfaces {
            if let Some(owned) = self.owners.get_mut(&address) {
                owned.interfaces = interfaces;
            }
        }
        for (address, why) in decision.asked {
            self.ask(address, Moving { why, to: None }, events);
        }
        if let Some(tally) = &mut self.derived.tally {
            let unowned = decision.classes.iter().filter(|(address, _)| !self.owners.contains_key(address));
            unowned.for_each(|(address, _)| tally.forget(*address));
        }
    }

    /// An address counts for another node, or for nobody.
    fn count(&mut self, address: IpAddr, from: Option<&NodeName>, to: Option<&NodeName>) {
        if let Some(from) = from {
            self.derived.loads.take(from);
        }
        if let Some(to) = to {
            self.derived.loads.add(to);
        }
        if let Some(tally) = &mut self.derived.tally {
            tally.hand(address, from, to);
        }
    }

    /// Puts an owner in place.
    pub(in crate::machine) fn own(&mut self, address: IpAddr, ownership: Ownership) {
        let holder = ownership.holder().clone();
        let before = self.owners.insert(address, ownership);
        self.count(address, before.as_ref().map(Ownership::holder), Some(&holder));
    }

    /// Asks an owner to release an address.
    pub(super) fn ask(&mut self, address: IpAddr, moving: Moving, events: &mut Vec<Event>) {
        let Some(owned) = self.owners.get_mut(&address) else { return };
        let why = moving.why;
        let from = owned.holder().clone();
        owned.moving = Some(moving);
        let to = owned.holder().clone();
        events.push(Event::ReleaseAsked { address, node: owned.node.clone(), epoch: owned.epoch, why });
        self.count(address, Some(&from), Some(&to));
    }

    /// Epochs of addresses that nobody uses any more are folded into the floor, so that they never come twice. Only
    /// what was looked at can have lost its last user.
    pub(super) fn forget_epochs(&mut self, reconsidered: &Reconsider) {
        let (book, external) = (&self.book, &self.derived.external);
        let in_use = |address: &IpAddr| book.users_of(*address).next().is_some() || external.contains_key(address);
        let mut floor = self.epoch_floor;
        match reconsidered {
            Reconsider::Only(addresses) => {
                for address in addresses.iter().filter(|address| !in_use(address)) {
                    floor = floor.max(self.past_epochs.remove(address).unwrap_or_default());
                }
            }
            _ => self.past_epochs.retain(|address, epoch| {
                let keep = in_use(address);
                if !keep {
                    floor = floor.max(*epoch);
                }
                keep
            }),
        }
        self.epoch_floor = floor;
    }
}
