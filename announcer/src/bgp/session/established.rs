//! A session that is up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::Family;
use super::super::message::{self, Framer, Message, Nlri, Treatment, Update};
use super::negotiate::Negotiated;
use super::opening::next_keepalive;
use super::random::Jitter;
use super::{ConnectionId, Counters, Direction, Endpoints, Failure, State, Waiting};
use crate::BootTime;

/// The peer must take something of what is sent within this, or within twice the hold time if that is longer (RFC 9687).
const SEND_HOLD: Duration = Duration::from_secs(480);

/// A session that is up. Made only from what was agreed on.
#[derive(Debug, Clone)]
pub(super) struct Established {
    pub id: ConnectionId,
    pub direction: Direction,
    pub endpoints: Endpoints,
    pub negotiated: Arc<Negotiated>,
    pub since: BootTime,
    pub(super) framer: Framer,
    pub(super) hold: Option<BootTime>,
    keepalive: Option<BootTime>,
    /// When the peer must have taken something, while bytes wait to be written.
    send_hold: Option<BootTime>,
    /// Families whose prefixes could not be read (RFC 7606).
    disabled: BTreeSet<Family>,
}

impl Established {
    pub fn new(
        id: ConnectionId,
        direction: Direction,
        endpoints: Endpoints,
        framer: Framer,
        negotiated: Negotiated,
        keepalive: Option<BootTime>,
        now: BootTime,
    ) -> Self {
        let hold = negotiated.hold().map(|hold| now + hold);
        let negotiated = Arc::new(negotiated);
        let disabled = BTreeSet::new();
        Self { id, direction, endpoints, negotiated, since: now, framer, hold, keepalive, send_hold: None, disabled }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.framer.feed(bytes);
    }

    /// Takes all messages that are whole; gives the families that the peer wants again.
    pub fn take_messages(&mut self, counters: &mut Counters, now: BootTime) -> Result<Vec<Family>, Failure> {
        let mut refreshes = Vec::new();
        let context = self.negotiated.update_context();
        while let Some(frame) = self.framer.next_frame()? {
            counters.count_received(frame.kind);
            match message::decode(frame, &context)? {
                Message::Update(update, flaw) => {
                    counters.flawed += u64::from(flaw.is_some());
                    match flaw.map(|flaw| flaw.treatment) {
                        Some(Treatment::DisableFamily(family)) => {
                            self.disabled.insert(family);
                        }
                        Some(Treatment::Withdraw) => count(&update, &self.disabled, counters, true),
                        Some(Treatment::DiscardAttribute) | None => count(&update, &self.disabled, counters, false),
                    }
                }
                Message::Keepalive => {}
                Message::RouteRefresh { family, subtype: 0 } => {
                    let family = Family::from_wire(family).filter(|family| self.negotiated.families.contains(family));
                    refreshes.extend(family.filter(|family| !refreshes.contains(family)));
                }
                // The borders of an enhanced refresh (RFC 7313), which was not offered; others are reserved.
                Message::RouteRefresh { .. } => {}
                Message::Notification(notification) => return Err(Failure::Notification(notification)),
                Message::Open(_) => {
                    return Err(Failure::Unexpected { message: "an OPEN", state: State::Established });
                }
            }
            self.hold = self.negotiated.hold().map(|hold| now + hold);
        }
        self.framer.shrink();
        Ok(refreshes)
    }

    /// Whether bytes wait to be written on; the peer's silence counts from when something was taken last.
    pub fn wrote(&mut self, waiting: Waiting, now: BootTime) {
        let limit = self.negotiated.hold().map(|hold| SEND_HOLD.max(hold * 2));
        self.send_hold = limit.filter(|_| waiting == Waiting::Some).map(|limit| now + limit);
    }

    /// Looks at the time: `true` when a KEEPALIVE is due.
    pub fn poll(&mut self, jitter: &mut Jitter, now: BootTime) -> Result<bool, Failure> {
        if self.hold.is_some_and(|hold| now >= hold) {
            return Err(Failure::HoldTimer(self.negotiated.hold_time));
        }
        if self.send_hold.is_some_and(|hold| now >= hold) {
            let limit = self.negotiated.hold().map_or(SEND_HOLD, |hold| SEND_HOLD.max(hold * 2));
            return Err(Failure::SendHoldTimer(limit.as_secs()));
        }
        let due = self.keepalive.is_some_and(|due| now >= due);
        if due {
            self.keepalive = next_keepalive(&self.negotiated, jitter, now);
        }
        Ok(due)
    }

    pub fn deadline(&self) -> Option<BootTime> {
        [self.hold, self.keepalive, self.send_hold].into_iter().flatten().min()
    }

    /// Taken over from another process: says at once that somebody is there.
    pub fn keepalive_now(&mut self, now: BootTime) {
        self.keepalive = (self.negotiated.keepalive > 0).then_some(now);
    }

    pub fn disabled(&self) -> &BTreeSet<Family> {
        &self.disabled
    }

    pub fn disable(&mut self, families: &BTreeSet<Family>) {
        self.disabled.extend(families);
    }
}

/// Counts what an UPDATE says; nothing of it is kept.
fn count(update: &Update<'_>, disabled: &BTreeSet<Family>, counters: &mut Counters, as_withdrawn: bool) {
    let number = |nlri: &Nlri<'_>| if disabled.contains(&nlri.family()) { 0 } else { nlri.len() as u64 };
    let reach = update.attributes.mp_reach.and_then(|reach| reach.prefixes);
    let unreach = update.attributes.mp_unreach.and_then(|unreach| unreach.prefixes);
    let announced = number(&update.nlri) + reach.as_ref().map_or(0, number);
    let withdrawn = number(&update.withdrawn) + unreach.as_ref().map_or(0, number);
    counters.withdrawn += withdrawn + if as_withdrawn { announced } else { 0 };
    counters.announced += if as_withdrawn { 0 } else { announced };
}
