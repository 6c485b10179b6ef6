//! One interface: asks for routers, knows those that were heard, advertises this node.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use rand::{Rng, RngExt};

use super::advertiser::Advertiser;
use super::outcome::{LocalEnd, Outcome};
use super::packet::{self, ALL_ROUTERS, Arrival, Discard, Message};
use crate::BootTime;
use crate::ndp::packet::ALL_NODES;

/// Before the first solicitation at most, in milliseconds: nodes that are started together do not ask together
/// (MAX_RTR_SOLICITATION_DELAY of RFC 4861).
const FIRST_DELAY: u64 = 1000;
/// Between the first two solicitations, doubled with each (RTR_SOLICITATION_INTERVAL).
pub(super) const FIRST_INTERVAL: Duration = Duration::from_secs(4);
/// Between two solicitations at most. RFC 7559 lets hosts wait for an hour, but a session waits for this one.
pub(super) const LAST_INTERVAL: Duration = Duration::from_secs(64);
/// With which solicitation without an answer nobody is thought to be there (MAX_RTR_SOLICITATIONS).
pub(super) const TRIES: u32 = 3;
/// After something could not be sent.
const RETRY: Duration = Duration::from_secs(1);
/// Routers that are known at most. Those with the lowest addresses are.
pub(super) const MAX_ROUTERS: usize = 16;

/// How an interface is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Advertise this node, so that the router learns of it.
    pub advertise: bool,
    /// How long a router that was heard counts at least. One that says a longer router lifetime counts for that.
    pub hold: Duration,
}

impl Default for Settings {
    /// Advertises; 30 seconds: three times the interval at which FRR advertises itself for such sessions.
    fn default() -> Self {
        Self { advertise: true, hold: Duration::from_secs(30) }
    }
}

/// A router that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Router {
    /// The router lifetime that it said; 0 when it is no default router.
    pub lifetime: Duration,
    /// When it was last heard.
    pub heard: BootTime,
    /// Until when it counts if it is not heard again.
    pub until: BootTime,
}

impl Router {
    /// From when on it is asked again: one that advertises itself three times in its lifetime (as FRR does) never is.
    fn doubtful(&self) -> BootTime {
        self.heard + self.until.since(self.heard) / 2
    }
}

/// Something to send from the interface's own address, with hop limit 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// A router solicitation.
    Solicitation(Vec<u8>),
    /// A router advertisement.
    Advertisement(Vec<u8>),
}

impl Transmit {
    /// The group that it goes to.
    #[must_use]
    pub const fn destination(&self) -> Ipv6Addr {
        match self {
            Self::Solicitation(_) => ALL_ROUTERS,
            Self::Advertisement(_) => ALL_NODES,
        }
    }

    /// ICMPv6 with a checksum of 0, for the kernel to fill in.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Solicitation(bytes) | Self::Advertisement(bytes) => bytes,
        }
    }
}

/// What was sent and heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Solicitations sent.
    pub solicitations: u64,
    /// Advertisements sent.
    pub advertisements: u64,
    /// Times that either could not be sent.
    pub failures: u64,
    /// Advertisements of routers heard.
    pub heard: u64,
    /// Advertisements of one router too many.
    pub surplus: u64,
    /// Discarded messages by [`Discard::name`].
    pub discarded: BTreeMap<&'static str, u64>,
}

/// Asks for routers, knows those that were heard, advertises this node. Pure.
#[derive(Debug, Clone)]
pub struct Discovery {
    settings: Settings,
    local: Option<LocalEnd>,
    routers: BTreeMap<Ipv6Addr, Router>,
    /// No solicitation before.
    ask: BootTime,
    /// Solicitations since all routers there are were heard.
    tries: u32,
    advertiser: Option<Advertiser>,
    counters: Counters,
}

impl Discovery {
    /// For an interface that is down until [`Self::set_local`] says something else.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let counters = Counters::default();
        let (local, routers, ask) = (None, BTreeMap::new(), BootTime::ZERO);
        Self { settings, local, routers, ask, tries: 0, advertiser: None, counters }
    }

    /// How this node's end is now; `None` while the interface is down. When it went down or has another address, what was
    /// known is forgotten: the cable may lead to another router.
    pub fn set_local(&mut self, local: Option<LocalEnd>, now: BootTime, randomness: &mut dyn Rng) {
        let before = self.own();
        self.local = local;
        let own = self.own();
        if own != before {
            self.routers.clear();
            self.tries = 0;
            self.ask = now + Duration::from_millis(randomness.random_range(0..=FIRST_DELAY));
            self.advertiser = own.filter(|_| self.settings.advertise).map(|_| Advertiser::new(now));
        }
    }

    /// A message came. One that is not valid is counted, and given for the log.
    ///
    /// # Errors
    /// When it was discarded.
    pub fn receive(
        &mut self,
        arrival: &Arrival,
        bytes: &[u8],
        now: BootTime,
        randomness: &mut dyn Rng,
    ) -> Result<(), Discard> {
        // Other programs on this node may speak, too.
        let ours = |local: &LocalEnd| local.link_local.contains(&arrival.source);
        if self.own().is_none() || self.local.as_ref().is_some_and(ours) {
            return Ok(());
        }
        match packet::parse(arrival, bytes) {
            Ok(Some(Message::Advertisement { lifetime })) => self.heard(arrival.source, lifetime, now, randomness),
            Ok(Some(Message::Solicitation)) => self.advertise_soon(now, randomness),
            Ok(None) => {}
            Err(discard) => {
                *self.counters.discarded.entry(discard.name()).or_default() += 1;
                return Err(discard);
            }
        }
        Ok(())
    }

    fn heard(&mut self, source: Ipv6Addr, lifetime: Duration, now: BootTime, randomness: &mut dyn Rng) {
        self.counters.heard += 1;
        let router = Router { lifetime, heard: now, until: now + lifetime.max(self.settings.hold) };
        if self.routers.insert(source, router).is_none() {
            // It may just have been started, and not know this node.
            self.advertise_soon(now, randomness);
        }
        if self.routers.len() > MAX_ROUTERS {
            self.routers.pop_last();
            self.counters.surplus += 1;
        }
        if self.routers.values().all(|router| router.doubtful() > now) {
            self.tries = 0;
            // The wait may have grown while nobody was there.
            self.ask = self.ask.min(now + FIRST_INTERVAL);
        }
    }

    fn advertise_soon(&mut self, now: BootTime, randomness: &mut dyn Rng) {
        if let Some(advertiser) = &mut self.advertiser {
            advertiser.soon(now, randomness);
        }
    }

    /// Time has passed: gives what is to be sent. What cannot be sent has to be told to [`Self::not_sent`].
    pub fn tick(&mut self, now: BootTime, randomness: &mut dyn Rng) -> Vec<Transmit> {
        self.routers.retain(|_, router| router.until > now);
        let Some(local) = self.local.as_ref().filter(|local| local.address().is_some()) else { return Vec::new() };
        let mut transmits = Vec::new();
        if let Some(advertiser) = self.advertiser.as_mut().filter(|advertiser| advertiser.next() <= now) {
            transmits.push(Transmit::Advertisement(packet::advertisement(local.mac)));
            advertiser.sent(now, randomness);
            self.counters.advertisements += 1;
        }
        if self.ask_at() <= now {
            transmits.push(Transmit::Solicitation(packet::solicitation(local.mac)));
            self.counters.solicitations += 1;
            let interval = FIRST_INTERVAL.saturating_mul(1 << self.tries.min(8)).min(LAST_INTERVAL);
            // RFC 7559: a tenth more or less.
            self.ask = now + interval * randomness.random_range(90..=110) / 100;
            self.tries = self.tries.saturating_add(1);
        }
        transmits
    }

    /// Something could not be sent: it is tried again in a second.
    pub fn not_sent(&mut self, transmit: &Transmit, now: BootTime) {
        self.counters.failures += 1;
        match transmit {
            Transmit::Solicitation(_) => {
                self.counters.solicitations -= 1;
                self.tries = self.tries.saturating_sub(1);
                self.ask = now + RETRY;
            }
            Transmit::Advertisement(_) => {
                self.counters.advertisements -= 1;
                self.advertiser.iter_mut().for_each(|advertiser| advertiser.again(now + RETRY));
            }
        }
    }

    /// When [`Self::tick`] has to be called next; `None` while the interface cannot be used.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootTime> {
        self.own()?;
        let ends = self.routers.values().map(|router| router.until);
        let advertise = self.advertiser.iter().map(Advertiser::next);
        ends.chain(advertise).chain([self.ask_at()]).min()
    }

    /// When to ask next: at once where none is known, otherwise when one was not heard for a while.
    fn ask_at(&self) -> BootTime {
        self.routers.values().map(Router::doubtful).min().map_or(self.ask, |doubtful| doubtful.max(self.ask))
    }

    /// This node's address; `None` while the interface cannot be used.
    #[must_use]
    pub fn own(&self) -> Option<Ipv6Addr> {
        self.local.as_ref()?.address()
    }

    /// What was found, as of the last [`Self::tick`].
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.local.is_none() {
            return Outcome::Down;
        }
        let Some(own) = self.own() else { return Outcome::NoLinkLocal };
        let mut routers = self.routers.keys().copied();
        match routers.next() {
            Some(router) => Outcome::Found { router, own, others: routers.collect() },
            None if self.tries >= TRIES => Outcome::Silent,
            None => Outcome::Searching,
        }
    }

    /// The routers that count, by address.
    #[must_use]
    pub const fn routers(&self) -> &BTreeMap<Ipv6Addr, Router> {
        &self.routers
    }

    /// What was sent and heard.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
