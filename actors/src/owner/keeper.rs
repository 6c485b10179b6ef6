//! Decides, for each address, what to hold, where to answer, and when it may be released. Pure.
//!
//! In this order, and never in another: packets are taken (held), then questions answered (owned), on each interface;
//! and the other way round every interface has confirmed that it does not answer any more before a release or a refusal is
//! proposed (promise P3), and packets are taken for a while longer.
//!
//! Orders to stop are numbered, so that a late confirmation of one is not taken for that of another. What gets lost on its
//! way to an interface or back is said again ([`Input::Remind`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use quorumlb_raft_store::machine::Epoch;

use super::duty::Duty;
use crate::status::OwnedStatus;

/// What the keeper is told.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// What the state asks for an address; `None` when it is not this node's.
    Wanted(IpAddr, Option<Duty>),
    /// Packets for it are taken now, or why not.
    Held(IpAddr, Result<(), String>),
    /// An interface answers for it.
    Programmed { interface: String, address: IpAddr, epoch: Epoch },
    /// An interface cannot answer for it.
    NotProgrammed { interface: String, address: IpAddr, epoch: Epoch, why: String },
    /// An interface does not answer for it any more: it has carried out this order.
    Silent { interface: String, address: IpAddr, order: u64 },
    /// An interface answers for nothing of what it was told before this order.
    Adopted { interface: String, order: u64 },
    /// An interface's actor is new, and was told nothing yet.
    SegmentUp(String),
    /// An interface is gone.
    SegmentGone(String),
    /// A while has passed: say again what was not confirmed.
    Remind,
}

/// What it wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Take packets for it; answer with [`Input::Held`].
    Hold(IpAddr),
    /// Take them no more, after a while.
    LetGo(IpAddr),
    /// Answer for it on an interface.
    Own { interface: String, address: IpAddr, epoch: Epoch },
    /// Answer no more; answer with [`Input::Silent`].
    Disown { interface: String, address: IpAddr, order: u64 },
    /// Answer for nothing of what was told before; answer with [`Input::Adopted`].
    Adopt { interface: String, order: u64 },
    /// Nobody answers for it here any more: the next owner may begin.
    Release(IpAddr, Epoch),
    /// It cannot be answered for.
    Refuse { address: IpAddr, epoch: Epoch, why: String },
}

/// An interface's word on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answering {
    /// It was told to answer; whether that was before the last reminder.
    Asked(bool),
    Yes,
    No(String),
    /// It was told to stop by this order, and has not confirmed yet; whether that was before the last reminder.
    Stopping(u64, bool),
}

/// Why an address cannot be answered for, and whether that was said.
#[derive(Clone, Debug)]
struct Refused {
    why: String,
    told: bool,
}

/// Reminders after which an interface is told everything anew.
const PATIENCE: u32 = 5;

#[derive(Clone, Debug)]
struct Kept {
    /// `None`: not this node's any more, but some interface has not confirmed yet.
    duty: Option<Duty>,
    held: bool,
    on: BTreeMap<String, Answering>,
    released: bool,
    refused: Option<Refused>,
}

impl Kept {
    fn new() -> Self {
        Self { duty: None, held: false, on: BTreeMap::new(), released: false, refused: None }
    }

    /// Where it is to be answered for.
    fn answers(&self) -> BTreeSet<String> {
        match &self.duty {
            Some(duty) if !duty.moving && self.refused.is_none() => duty.interfaces.clone(),
            _ => BTreeSet::new(),
        }
    }
}

/// What a node owns, and how far it is with it.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    addresses: BTreeMap<IpAddr, Kept>,
    /// Interfaces that may still answer for what they were told before this order, and for how many reminders now.
    unsure: BTreeMap<String, (u64, u32)>,
    last_order: u64,
}

impl Keeper {
    /// A keeper of nothing, whose orders have higher numbers than those of any keeper before it.
    pub fn new(last_order: u64) -> Self {
        Self { addresses: BTreeMap::new(), unsure: BTreeMap::new(), last_order }
    }

    /// Takes an input.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Wanted(address, duty) => self.wanted(address, duty),
            Input::Held(address, Ok(())) => {
                if let Some(kept) = self.addresses.get_mut(&address) {
                    kept.held = true;
                }
                self.settle(address)
            }
            Input::Held(address, Err(why)) => self.refuse(address, format!("it cannot be held: {why}")),
            Input::Programmed { interface, address, epoch } => {
                self.word(address, &interface, epoch, Answering::Yes);
                Vec::new()
            }
            Input::NotProgrammed { interface, address, epoch, why } => {
                if self.word(address, &interface, epoch, Answering::No(why.clone())) {
                    return self.refuse(address, format!("{interface}: {why}"));
                }
                Vec::new()
            }
            Input::Silent { interface, address, order } => {
                if let Some(kept) = self.addresses.get_mut(&address) {
                    kept.on.retain(|on, answering| {
                        *on != interface
                            || !matches!(answering, Answering::Stopping(waits_for, _) if *waits_for == order)
                    });
                }
                self.settle(address)
            }
            Input::Adopted { interface, order } => {
                if self.unsure.get(&interface).is_none_or(|(waits_for, _)| *waits_for != order) {
                    return Vec::new();
                }
                self.unsure.remove(&interface);
                self.settle_all()
            }
            Input::SegmentUp(interface) => {
                let mut outputs = vec![self.adopt(&interface)];
                outputs.extend(self.interface_is_blank(&interface));
                outputs
            }
            Input::SegmentGone(interface) => {
                let was_unsure = self.unsure.remove(&interface).is_some();
                let mut outputs = self.interface_is_blank(&interface);
                if was_unsure {
                    outputs.extend(self.settle_all());
                }
                outputs
            }
            Input::Remind => self.remind(),
        }
    }

    /// Another session, or a keeper that does not know what the interfaces were told: they are to answer for nothing, and
    /// what is wanted is asked for again at the next look.
    pub fn begin_anew(&mut self, interfaces: Vec<String>) -> Vec<Output> {
        for kept in self.addresses.values_mut() {
            *kept = Kept { held: kept.held, ..Kept::new() };
        }
        self.unsure.retain(|interface, _| interfaces.contains(interface));
        interfaces.iter().map(|interface| self.adopt(interface)).collect()
    }

    fn adopt(&mut self, interface: &str) -> Output {
        self.last_order += 1;
        self.unsure.insert(interface.to_owned(), (self.last_order, 0));
        Output::Adopt { interface: interface.to_owned(), order: self.last_order }
    }

    /// A release was not taken: it is said again with the next reminder.
    pub fn not_released(&mut self, batch: &[(IpAddr, Epoch)]) {
        for (address, epoch) in batch {
            if let Some(kept) = self.addresses.get_mut(address)
                && kept.duty.as_ref().is_some_and(|duty| duty.epoch == *epoch)
            {
                kept.released = false;
            }
        }
    }

    fn remind(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (_, reminders) in self.unsure.values_mut() {
            *reminders += 1;
        }
        let lost = self.unsure.iter().filter(|(_, (_, reminders))| *reminders >= PATIENCE);
        for interface in lost.map(|(interface, _)| interface.clone()).collect::<Vec<_>>() {
            outputs.extend(self.step(Input::SegmentUp(interface)));
        }
        for (address, kept) in &mut self.addresses {
            let (address, epoch) = (*address, kept.duty.as_ref().map_or(Epoch(0), |duty| duty.epoch));
            for (interface, answering) in &mut kept.on {
                let interface = interface.clone();
                match answering {
                    Answering::Asked(true) => outputs.push(Output::Own { interface, address, epoch }),
                    Answering::Stopping(order, true) => {
                        outputs.push(Output::Disown { interface, address, order: *order });
                    }
                    Answering::Asked(before) | Answering::Stopping(_, before) => *before = true,
                    Answering::Yes | Answering::No(_) => {}
                }
            }
        }
        outputs.extend(self.settle_all());
        outputs
    }

    fn settle_all(&mut self) -> Vec<Output> {
        self.addresses().into_iter().flat_map(|address| self.settle(address)).collect()
    }

    /// The addresses that it has to do with.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.keys().copied().collect()
    }

    fn wanted(&mut self, address: IpAddr, duty: Option<Duty>) -> Vec<Output> {
        if duty.is_none() && !self.addresses.contains_key(&address) {
            return Vec::new();
        }
        let kept = self.addresses.entry(address).or_insert_with(Kept::new);
        let epoch = |duty: &Option<Duty>| duty.as_ref().map(|duty| duty.epoch);
        let another = epoch(&duty) != epoch(&kept.duty);
        kept.duty = duty;
        if another {
            // Another ownership: what was said under the last one does not count for it. Where it is to be answered for
            // under this one, too, the interface is told so; elsewhere it has to confirm that it has stopped.
            (kept.released, kept.refused) = (false, None);
            let answers = kept.answers();
            kept.on.retain(|on, answering| matches!(answering, Answering::Stopping(..)) || !answers.contains(on));
        }
        self.settle(address)
    }

    /// Brings an address closer to what is wanted.
    fn settle(&mut self, address: IpAddr) -> Vec<Output> {
        let Some(kept) = self.addresses.get_mut(&address) else { return Vec::new() };
        let mut outputs = Vec::new();
        let answers = kept.answers();
        for (interface, answering) in &mut kept.on {
            if !answers.contains(interface) && !matches!(answering, Answering::Stopping(..)) {
                self.last_order += 1;
                *answering = Answering::Stopping(self.last_order, false);
                outputs.push(Output::Disown { interface: interface.clone(), address, order: self.last_order });
            }
        }
        let silent = kept.on.is_empty() && self.unsure.is_empty();
        let Some(duty) = &kept.duty else {
            if kept.on.is_empty() {
                let held = kept.held;
                self.addresses.remove(&address);
                outputs.extend(held.then_some(Output::LetGo(address)));
            }
            return outputs;
        };
        if duty.moving {
            if silent && !std::mem::replace(&mut kept.released, true) {
                outputs.push(Output::Release(address, duty.epoch));
            }
        } else if let Some(refused) = &mut kept.refused {
            if silent && !std::mem::replace(&mut refused.told, true) {
                outputs.push(Output::Refuse { address, epoch: duty.epoch, why: refused.why.clone() });
            }
        } else if !kept.held {
            outputs.extend((!answers.is_empty()).then_some(Output::Hold(address)));
        } else {
            for interface in answers {
                if !kept.on.contains_key(&interface) {
                    kept.on.insert(interface.clone(), Answering::Asked(false));
                    outputs.push(Output::Own { interface, address, epoch: duty.epoch });
                }
            }
        }
        outputs
    }

    /// An interface's word on an address, unless it is about another ownership.
    fn word(&mut self, address: IpAddr, interface: &str, epoch: Epoch, word: Answering) -> bool {
        let Some(kept) = self.addresses.get_mut(&address) else { return false };
        if kept.duty.as_ref().is_none_or(|duty| duty.epoch != epoch) {
            return false;
        }
        match kept.on.get_mut(interface) {
            Some(answering) if !matches!(answering, Answering::Stopping(..)) => {
                *answering = word;
                true
            }
            _ => false,
        }
    }

    fn refuse(&mut self, address: IpAddr, why: String) -> Vec<Output> {
        if let Some(kept) = self.addresses.get_mut(&address)
            && kept.duty.as_ref().is_some_and(|duty| !duty.moving)
        {
            kept.refused.get_or_insert(Refused { why, told: false });
        }
        self.settle(address)
    }

    fn interface_is_blank(&mut self, interface: &str) -> Vec<Output> {
        let mut outputs = Vec::new();
        for address in self.addresses() {
            if let Some(kept) = self.addresses.get_mut(&address)
                && kept.on.remove(interface).is_some()
            {
                outputs.extend(self.settle(address));
            }
        }
        outputs
    }

    /// How it stands with each owned address.
    pub fn status(&self) -> BTreeMap<IpAddr, OwnedStatus> {
        self.addresses.keys().filter_map(|address| Some((*address, self.status_of(*address)?))).collect()
    }

    /// The addresses that are answered for, as far as the fence allows.
    pub fn answering(&self) -> BTreeSet<IpAddr> {
        let answered = |kept: &Kept| kept.duty.as_ref().is_some_and(|duty| why_not(kept, duty).is_empty());
        self.addresses.iter().filter(|(_, kept)| answered(kept)).map(|(address, _)| *address).collect()
    }

    /// How it stands with one address, if it is owned.
    pub fn status_of(&self, address: IpAddr) -> Option<OwnedStatus> {
        let kept = self.addresses.get(&address)?;
        let duty = kept.duty.as_ref()?;
        let why_not = why_not(kept, duty);
        let interfaces = duty.interfaces.iter().cloned().collect();
        Some(OwnedStatus { epoch: duty.epoch, interfaces, answering: why_not.is_empty(), why_not })
    }
}

fn why_not(kept: &Kept, duty: &Duty) -> String {
    if duty.moving {
        return "it is being handed over".to_owned();
    }
    if duty.interfaces.is_empty() {
        return "the group knows no interface of this node for it yet".to_owned();
    }
    if !kept.held {
        return "packets for it cannot be taken yet".to_owned();
    }
    let mut reasons = Vec::new();
    for interface in &duty.interfaces {
        match kept.on.get(interface) {
            Some(Answering::Yes) => {}
            Some(Answering::No(why)) => reasons.push(format!("{interface}: {why}")),
            Some(Answering::Asked(_) | Answering::Stopping(..)) | None => {
                reasons.push(format!("{interface}: its responder has not confirmed yet"));
            }
        }
    }
    reasons.join("; ")
}

#[cfg(test)]
mod tests;
