//! The state machine of one interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pnet_base::MacAddr;
use pnet_packet::ethernet::EtherTypes;

use super::groups::{Groups, Membership};
use super::queue::{Queue, Turn};
use super::rate::{FairWindow, Window};
use super::{Counters, Failure, Output, Settings, Standing};
use crate::fence::{Gate, Ownership};
use crate::wire::announceable;
use crate::{BootTime, Claim, Fence, Fencing, Heard, Malformed, Question, arp, ethernet, ndp};

/// A conflict over an address is reported, and answered by an announcement of ours, no more often than this
/// (DEFEND_INTERVAL of RFC 5227 section 1.1).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Whether the interface's socket can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Readiness {
    Awaited,
    Open,
    Failed(String),
}

/// One owned address.
#[derive(Debug)]
struct Owned {
    epoch: u64,
    ownership: Ownership,
    /// What was last reported: nothing, programmed, or why not.
    reported: Option<Result<(), Failure>>,
    turn: Option<Turn>,
    /// When the present series of announcements began.
    series: Option<BootTime>,
    conflict: Option<BootTime>,
}

impl Owned {
    fn new(epoch: u64) -> Self {
        Self { epoch, ownership: Ownership::default(), reported: None, turn: None, series: None, conflict: None }
    }

    fn is_programmed(&self) -> bool {
        self.reported == Some(Ok(()))
    }
}

/// Answers and announces for the owned addresses of one interface.
#[derive(Debug)]
pub struct Responder {
    mac: MacAddr,
    own_macs: BTreeSet<MacAddr>,
    settings: Settings,
    gate: Gate,
    readiness: Readiness,
    owned: BTreeMap<IpAddr, Owned>,
    groups: Groups,
    queue: Queue,
    announcing: Window,
    answering: FairWindow,
    reporting: Window,
    counters: Counters,
}

impl Responder {
    /// A responder for the interface with this MAC. It owns nothing, its fence is closed, its socket is awaited.
    #[must_use]
    pub fn new(mac: MacAddr, settings: Settings) -> Self {
        Self {
            mac,
            own_macs: BTreeSet::from([mac]),
            gate: Gate::new(settings.fencing),
            readiness: Readiness::Awaited,
            owned: BTreeMap::new(),
            groups: Groups::default(),
            queue: Queue::default(),
            announcing: Window::new(settings.announcing),
            answering: FairWindow::new(settings.answering),
            reporting: Window::new(settings.reporting),
            counters: Counters::default(),
            settings,
        }
    }

    /// The MACs of the node's other interfaces: what they say is no conflict, though it may be on the same segment.
    pub fn set_own_macs(&mut self, others: impl IntoIterator<Item = MacAddr>) {
        self.own_macs = others.into_iter().chain([self.mac]).collect();
    }

    /// Starts to answer and announce. To be called when the datapath for the address is programmed. The same ownership
    /// again repeats its report; a later epoch begins a new series of announcements.
    pub fn own(&mut self, address: IpAddr, epoch: u64) -> Vec<Output> {
        let held = self.owned.get(&address).map(|owned| owned.epoch);
        let refusal = match held {
            _ if !announceable(address) => Some(Failure::NotAnnounceable),
            Some(held) if epoch < held => Some(Failure::StaleEpoch { held }),
            None if self.owned.len() >= self.settings.max_addresses => {
                Some(Failure::TooManyAddresses { max: self.settings.max_addresses })
            }
            _ => None,
        };
        if let Some(reason) = refusal {
            return vec![Output::Failed { address, epoch, reason }];
        }
        if held != Some(epoch) {
            self.forget_turn(address);
            self.owned.insert(address, Owned::new(epoch));
        } else if let Some(owned) = self.owned.get_mut(&address)
            && owned.reported.is_some()
        {
            return vec![report(address, owned)];
        }
        let mut outputs = Vec::new();
        if let IpAddr::V6(v6) = address {
            let new = self.groups.add(v6);
            outputs.extend(new.filter(|_| self.readiness == Readiness::Open).map(Output::Join));
        }
        outputs.extend(self.settle(address));
        outputs
    }

    /// Ends an ownership. No frame for it leaves any more, not even one that was made before.
    pub fn disown(&mut self, address: IpAddr) -> Vec<Output> {
        self.forget_turn(address);
        let (Some(_), IpAddr::V6(v6)) = (self.owned.remove(&address), address) else { return Vec::new() };
        self.groups.remove(v6).map(Output::Leave).into_iter().collect()
    }

    /// The session's new word. It counts at once, for frames under way, too.
    pub fn fence(&mut self, fence: Fence) {
        self.gate.set(fence);
    }

    /// The socket is open. Gives the groups to join and reports what is programmed by it.
    pub fn socket_opened(&mut self) -> Vec<Output> {
        self.readiness = Readiness::Open;
        self.groups.forget();
        let mut outputs: Vec<Output> = self.groups.names().map(Output::Join).collect();
        outputs.extend(self.settle_all());
        outputs
    }

    /// The socket cannot be opened, or has failed: nothing is programmed any more.
    pub fn socket_failed(&mut self, reason: impl Into<String>) -> Vec<Output> {
        self.readiness = Readiness::Failed(reason.into());
        self.groups.forget();
        self.settle_all()
    }

    /// A group asked for by [`Output::Join`] is joined.
    pub fn group_joined(&mut self, group: Ipv6Addr) -> Vec<Output> {
        self.set_group(group, Membership::Joined)
    }

    /// A group asked for by [`Output::Join`] cannot be joined.
    pub fn group_failed(&mut self, group: Ipv6Addr, error: impl Into<String>) -> Vec<Output> {
        self.set_group(group, Membership::Refused(error.into()))
    }

    /// Takes a received Ethernet frame.
    pub fn handle(&mut self, frame: &[u8], now: BootTime) -> Vec<Output> {
        let heard = match self.hear(frame) {
            Ok(heard) => heard,
            Err(_) => {
                self.counters.malformed += 1;
                return Vec::new();
            }
        };
        let mut outputs = Vec::new();
        if let Some(claim) = heard.claim
            && !self.own_macs.contains(&claim.mac)
        {
            outputs.extend(self.contest(claim, now));
        }
        if let Some(question) = heard.question {
            self.counters.requests += 1;
            outputs.extend(self.answer(question, now));
        }
        outputs
    }

    /// Makes the announcements that are due, as many as the bound allows.
    pub fn poll(&mut self, now: BootTime) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.gate.close_if_run_out(now);
        if self.gate.is_closed() {
            return outputs;
        }
        while let Some((due, address)) = self.queue.head()
            && due <= now
            && self.announcing.take(announcement_cost(address), now)
        {
            outputs.extend(self.announce(address, now));
        }
        outputs
    }

    /// When to call [`Self::poll`] next; a moment in the past means at once. `None` until something else happens, which is
    /// also so while the fence is closed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootTime> {
        let (due, address) = self.queue.head().filter(|_| !self.gate.is_closed())?;
        Some(due.max(self.announcing.ready_at(announcement_cost(address))))
    }

    /// Whether and why an owned address is or is not answered for.
    #[must_use]
    pub fn standing(&self, address: IpAddr, now: BootTime) -> Option<Standing> {
        self.owned.get(&address)?;
        Some(match self.programming(address) {
            Ok(true) if self.gate.permits(now) => Standing::Answering,
            Ok(true) => Standing::Fenced,
            Ok(false) if self.readiness == Readiness::Awaited => Standing::AwaitingSocket,
            Ok(false) => Standing::AwaitingGroup,
            Err(failure) => Standing::Failed(failure),
        })
    }

    /// The owned addresses with their epochs.
    pub fn owned(&self) -> impl Iterator<Item = (IpAddr, u64)> {
        self.owned.iter().map(|(&address, owned)| (address, owned.epoch))
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn hear(&self, bytes: &[u8]) -> Result<Heard, Malformed> {
        let frame = ethernet::read(bytes)?;
        if self.own_macs.contains(&frame.source) {
            return Ok(Heard::default());
        }
        match frame.kind {
            EtherTypes::Arp => arp::responder::hear(frame.payload),
            EtherTypes::Ipv6 => ndp::responder::hear(frame.payload, frame.source),
            _ => Ok(Heard::default()),
        }
    }

    /// Another station claims an address: if it is owned, yield or stand by it.
    fn contest(&mut self, claim: Claim, now: BootTime) -> Vec<Output> {
        let Claim { address, mac } = claim;
        let Some(owned) = self.owned.get_mut(&address) else { return Vec::new() };
        self.counters.conflicts += 1;
        let epoch = owned.epoch;
        if self.settings.fencing == Fencing::Soft && !self.gate.quorum_holds(now) {
            let mut outputs = self.disown(address);
            outputs.push(Output::Yielded { address, epoch, to: mac });
            return outputs;
        }
        let recent = owned.conflict.is_some_and(|last| now.since(last) < DEFEND_INTERVAL);
        if recent || !self.reporting.take(1, now) {
            return Vec::new();
        }
        owned.conflict = Some(now);
        if let Some(turn @ Turn::Repeat(_)) = owned.turn {
            self.queue.cancel(turn, address);
            owned.turn = Some(self.queue.push_repeat(now, address));
        }
        vec![Output::Conflict { address, mac }]
    }

    fn answer(&mut self, question: Question, now: BootTime) -> Option<Output> {
        let Question { target, asker_mac, asker } = question;
        let owned = self.owned.get(&target).filter(|owned| owned.is_programmed())?;
        if !self.gate.permits(now) {
            self.counters.fenced += 1;
            return None;
        }
        if !self.answering.take(asker_mac, now) {
            self.counters.rate_dropped += 1;
            return None;
        }
        let bytes = match (target, asker) {
            (IpAddr::V4(target), IpAddr::V4(asker)) => arp::responder::answer(self.mac, target, asker_mac, asker),
            (IpAddr::V6(target), IpAddr::V6(asker)) => ndp::responder::answer(self.mac, target, asker_mac, asker),
            _ => return None,
        };
        self.counters.answered += 1;
        Some(Output::Send(self.gate.frame(bytes, &owned.ownership)))
    }

    /// Announces one address, whose turn it is, and gives it its next turn.
    fn announce(&mut self, address: IpAddr, now: BootTime) -> Vec<Output> {
        self.forget_turn(address);
        let Some(owned) = self.owned.get_mut(&address) else { return Vec::new() };
        let first = *owned.series.get_or_insert(now);
        let next = self.settings.schedule.next(address, first, now);
        owned.turn = next.map(|due| self.queue.push_repeat(due, address));
        let frames = announcement(self.mac, address);
        self.counters.announced += u64::from(announcement_cost(address));
        frames.into_iter().map(|bytes| Output::Send(self.gate.frame(bytes, &owned.ownership))).collect()
    }

    fn set_group(&mut self, group: Ipv6Addr, membership: Membership) -> Vec<Output> {
        let members = self.groups.set(group, membership);
        members.into_iter().filter_map(|address| self.settle(IpAddr::V6(address))).collect()
    }

    fn settle_all(&mut self) -> Vec<Output> {
        let addresses: Vec<IpAddr> = self.owned.keys().copied().collect();
        addresses.into_iter().filter_map(|address| self.settle(address)).collect()
    }

    /// Reports an address when it became programmed or failed, and begins or ends its announcements.
    fn settle(&mut self, address: IpAddr) -> Option<Output> {
        let result = match self.programming(address) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(failure) => Some(Err(failure)),
        };
        let owned = self.owned.get_mut(&address)?;
        if owned.reported == result {
            return None;
        }
        owned.reported = result;
        owned.series = None;
        let programmed = owned.is_programmed();
        self.forget_turn(address);
        let owned = self.owned.get_mut(&address)?;
        if programmed {
            owned.turn = Some(self.queue.push_first(address));
        }
        owned.reported.is_some().then(|| report(address, owned))
    }

    /// Whether an address can be answered for (`false`: not yet), or why it cannot.
    fn programming(&self, address: IpAddr) -> Result<bool, Failure> {
        match (&self.readiness, address) {
            (Readiness::Awaited, _) => Ok(false),
            (Readiness::Failed(reason), _) => Err(Failure::Socket(reason.clone())),
            (Readiness::Open, IpAddr::V4(_)) => Ok(true),
            (Readiness::Open, IpAddr::V6(v6)) => match self.groups.membership(v6) {
                Membership::Awaited => Ok(false),
                Membership::Joined => Ok(true),
                Membership::Refused(error) => {
                    Err(Failure::Group { group: ndp::packet::solicited_node(v6), error: error.clone() })
                }
            },
        }
    }

    fn forget_turn(&mut self, address: IpAddr) {
        if let Some(turn) = self.owned.get_mut(&address).and_then(|owned| owned.turn.take()) {
            self.queue.cancel(turn, address);
        }
    }
}

fn report(address: IpAddr, owned: &Owned) -> Output {
    let epoch = owned.epoch;
    match &owned.reported {
        Some(Err(reason)) => Output::Failed { address, epoch, reason: reason.clone() },
        _ => Output::Programmed { address, epoch },
    }
}

/// Frames of one announcement.
fn announcement_cost(address: IpAddr) -> u32 {
    if address.is_ipv4() { 2 } else { 1 }
}

fn announcement(mac: MacAddr, address: IpAddr) -> Vec<Vec<u8>> {
    let v4 = |address: Ipv4Addr| arp::responder::announce(mac, address).to_vec();
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => ndp::responder::announce(mac, address).to_vec(),
    }
}
