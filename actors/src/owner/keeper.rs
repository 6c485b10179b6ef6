//! Decides, for each address, what to hold, where to answer, and when it may be released. Pure.
//!
//! In this order, and never in another: packets are taken (held), then questions answered (owned), on each interface;
//! and the other way round no interface answers any more before the release is proposed (promise P3), and packets are
//! taken for a while longer.

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
    /// An interface does not answer for it any more.
    Silent { interface: String, address: IpAddr },
    /// An interface's actor is new, and answers for nothing.
    SegmentUp(String),
    /// An interface is gone.
    SegmentGone(String),
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
    Disown { interface: String, address: IpAddr },
    /// Nobody answers for it here any more: the next owner may begin.
    Release(IpAddr, Epoch),
    /// It cannot be answered for.
    Refuse { address: IpAddr, epoch: Epoch, why: String },
}

/// An interface's word on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answering {
    Asked,
    Yes,
    No(String),
    /// It was told to stop, and has not confirmed yet.
    Stopping,
}

#[derive(Clone, Debug)]
struct Kept {
    /// `None`: not this node's any more, but some interface has not confirmed yet.
    duty: Option<Duty>,
    held: bool,
    on: BTreeMap<String, Answering>,
    released: bool,
    refused: bool,
}

/// What a node owns, and how far it is with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeper(BTreeMap<IpAddr, Kept>);

impl Keeper {
    /// Takes an input.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Wanted(address, duty) => self.wanted(address, duty),
            Input::Held(address, Ok(())) => {
                if let Some(kept) = self.0.get_mut(&address) {
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
            Input::Silent { interface, address } => {
                if let Some(kept) = self.0.get_mut(&address) {
                    kept.on.remove(&interface);
                }
                self.settle(address)
            }
            Input::SegmentUp(interface) | Input::SegmentGone(interface) => self.interface_is_blank(&interface),
        }
    }

    /// The addresses that it has to do with.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.0.keys().copied().collect()
    }

    /// No interface answers for anything any more; what is wanted is asked for again at the next look.
    pub fn forget_answers(&mut self) {
        for kept in self.0.values_mut() {
            kept.on.clear();
            kept.duty = None;
            (kept.released, kept.refused) = (false, false);
        }
    }

    /// Those of the releases that still stand.
    pub fn not_released(&self, batch: &[(IpAddr, Epoch)]) -> Vec<(IpAddr, Epoch)> {
        let stands = |(address, epoch): &&(IpAddr, Epoch)| {
            self.0.get(address).and_then(|kept| kept.duty.as_ref()).is_some_and(|duty| duty.epoch == *epoch)
        };
        batch.iter().filter(stands).copied().collect()
    }

    fn wanted(&mut self, address: IpAddr, duty: Option<Duty>) -> Vec<Output> {
        if duty.is_none() && !self.0.contains_key(&address) {
            return Vec::new();
        }
        let new = || Kept { duty: None, held: false, on: BTreeMap::new(), released: false, refused: false };
        let kept = self.0.entry(address).or_insert_with(new);
        let epoch = |duty: &Option<Duty>| duty.as_ref().map(|duty| duty.epoch);
        if epoch(&duty) != epoch(&kept.duty) {
            // Another ownership: what was said under the last one does not count for it.
            (kept.released, kept.refused) = (false, false);
            for answering in kept.on.values_mut().filter(|answering| **answering != Answering::Stopping) {
                *answering = Answering::Asked;
            }
            if duty.is_some() && kept.duty.is_some() {
                kept.on.clear();
            }
        }
        kept.duty = duty;
        self.settle(address)
    }

    /// Brings an address closer to what is wanted.
    fn settle(&mut self, address: IpAddr) -> Vec<Output> {
        let Some(kept) = self.0.get_mut(&address) else { return Vec::new() };
        let mut outputs = Vec::new();
        let answers: BTreeSet<String> = match &kept.duty {
            Some(duty) if !duty.moving && !kept.refused => duty.interfaces.clone(),
            _ => BTreeSet::new(),
        };
        for (interface, answering) in &mut kept.on {
            if !answers.contains(interface) && *answering != Answering::Stopping {
                *answering = Answering::Stopping;
                outputs.push(Output::Disown { interface: interface.clone(), address });
            }
        }
        match kept.duty.clone() {
            None => {
                if kept.on.is_empty() {
                    let held = kept.held;
                    self.0.remove(&address);
                    if held {
                        outputs.push(Output::LetGo(address));
                    }
                }
            }
            Some(duty) if duty.moving => {
                if kept.on.is_empty() && !std::mem::replace(&mut kept.released, true) {
                    outputs.push(Output::Release(address, duty.epoch));
                }
            }
            Some(_) if kept.refused => {}
            Some(_) if !kept.held => {
                if !answers.is_empty() {
                    outputs.push(Output::Hold(address));
                }
            }
            Some(duty) => {
                for interface in answers {
                    if !kept.on.contains_key(&interface) {
                        kept.on.insert(interface.clone(), Answering::Asked);
                        outputs.push(Output::Own { interface, address, epoch: duty.epoch });
                    }
                }
            }
        }
        outputs
    }

    /// An interface's word on an address, unless it is about another ownership.
    fn word(&mut self, address: IpAddr, interface: &str, epoch: Epoch, word: Answering) -> bool {
        let Some(kept) = self.0.get_mut(&address) else { return false };
        if kept.duty.as_ref().is_none_or(|duty| duty.epoch != epoch) {
            return false;
        }
        match kept.on.get_mut(interface) {
            Some(answering) if *answering != Answering::Stopping => {
                *answering = word;
                true
            }
            _ => false,
        }
    }

    fn refuse(&mut self, address: IpAddr, why: String) -> Vec<Output> {
        let Some(kept) = self.0.get_mut(&address) else { return Vec::new() };
        let Some(duty) = kept.duty.clone().filter(|duty| !duty.moving) else { return Vec::new() };
        if std::mem::replace(&mut kept.refused, true) {
            return Vec::new();
        }
        let mut outputs = vec![Output::Refuse { address, epoch: duty.epoch, why }];
        outputs.extend(self.settle(address));
        outputs
    }

    fn interface_is_blank(&mut self, interface: &str) -> Vec<Output> {
        let mut outputs = Vec::new();
        for address in self.addresses() {
            if let Some(kept) = self.0.get_mut(&address)
                && kept.on.remove(interface).is_some()
            {
                outputs.extend(self.settle(address));
            }
        }
        outputs
    }

    /// How it stands with each owned address.
    pub fn status(&self) -> BTreeMap<IpAddr, OwnedStatus> {
        self.0.keys().filter_map(|address| Some((*address, self.status_of(*address)?))).collect()
    }

    /// How it stands with one address, if it is owned.
    pub fn status_of(&self, address: IpAddr) -> Option<OwnedStatus> {
        let kept = self.0.get(&address)?;
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
            Some(Answering::Asked | Answering::Stopping) | None => {
                reasons.push(format!("{interface}: its responder has not confirmed yet"));
            }
        }
    }
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> IpAddr {
        IpAddr::from([10, 0, 5, 100])
    }

    fn duty(epoch: u64, moving: bool) -> Option<Duty> {
        Some(Duty { epoch: Epoch(epoch), interfaces: BTreeSet::from(["net0".to_owned()]), moving })
    }

    fn own(epoch: u64) -> Output {
        Output::Own { interface: "net0".into(), address: address(), epoch: Epoch(epoch) }
    }

    fn disown() -> Output {
        Output::Disown { interface: "net0".into(), address: address() }
    }

    fn silent() -> Input {
        Input::Silent { interface: "net0".into(), address: address() }
    }

    fn programmed(epoch: u64) -> Input {
        Input::Programmed { interface: "net0".into(), address: address(), epoch: Epoch(epoch) }
    }

    /// A keeper that answers for the address under epoch 1.
    fn answering() -> Keeper {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [Output::Hold(address())]);
        assert!(!keeper.status_of(address()).unwrap().answering);
        assert_eq!(keeper.step(Input::Held(address(), Ok(()))), [own(1)]);
        assert_eq!(keeper.step(programmed(1)), []);
        assert!(keeper.status_of(address()).unwrap().answering);
        keeper
    }

    #[test]
    fn silence_comes_before_the_release_and_packets_are_taken_longer() {
        let mut keeper = answering();
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [disown()]);
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [], "it waits for the interface");
        assert_eq!(keeper.step(silent()), [Output::Release(address(), Epoch(1))]);
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [], "once");
        assert_eq!(keeper.not_released(&[(address(), Epoch(1))]), [(address(), Epoch(1))]);
        assert_eq!(keeper.step(Input::Wanted(address(), None)), [Output::LetGo(address())]);
        assert_eq!(keeper.not_released(&[(address(), Epoch(1))]), []);
    }

    #[test]
    fn what_cannot_be_programmed_is_refused_and_not_answered_for() {
        let mut keeper = answering();
        let why = "the interface cannot be used: gone".to_owned();
        let failed = Input::NotProgrammed { interface: "net0".into(), address: address(), epoch: Epoch(1), why };
        let outputs = keeper.step(failed.clone());
        assert!(matches!(&outputs[..], [Output::Refuse { epoch: Epoch(1), .. }, Output::Disown { .. }]), "{outputs:?}");
        assert_eq!(keeper.step(failed), [], "once");
        assert_eq!(keeper.step(silent()), []);
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [], "not again under this epoch");
        assert_eq!(keeper.step(Input::Wanted(address(), duty(2, false))), [own(2)]);
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        let mut keeper = Keeper::default();
        keeper.step(Input::Wanted(address(), duty(1, false)));
        let outputs = keeper.step(Input::Held(address(), Err("no permission".into())));
        assert!(matches!(&outputs[..], [Output::Refuse { .. }]), "{outputs:?}");
    }

    #[test]
    fn a_restarted_interface_is_asked_again() {
        let mut keeper = answering();
        assert_eq!(keeper.step(Input::SegmentUp("net0".into())), [own(1)]);
        assert!(!keeper.status_of(address()).unwrap().answering);
        assert_eq!(keeper.step(Input::SegmentUp("net1".into())), []);
    }

    #[test]
    fn a_new_session_begins_anew() {
        let mut keeper = answering();
        keeper.forget_answers();
        assert_eq!(keeper.status_of(address()), None);
        assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [own(1)], "it is held already");
    }

    #[test]
    fn what_was_lost_and_is_granted_again_waits_for_the_interface() {
        let mut keeper = answering();
        assert_eq!(keeper.step(Input::Wanted(address(), None)), [disown()]);
        assert_eq!(keeper.step(Input::Wanted(address(), duty(3, false))), [], "the interface has not confirmed");
        assert_eq!(keeper.step(silent()), [own(3)]);
        assert_eq!(keeper.step(programmed(1)), [], "an old word does not count");
        assert!(!keeper.status_of(address()).unwrap().answering);
        keeper.step(programmed(3));
        assert!(keeper.status_of(address()).unwrap().answering);
    }
}
