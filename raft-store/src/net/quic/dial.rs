//! The dialling side: one link for each peer and class, which dials when it is needed and waits between failures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Connection, ConnectionError, ReadError, ReadToEndError, VarInt, WriteError};
use rand::RngExt;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::counters::{Count, Side, classify};
use super::{Class, FRAME_LIMIT, Inner, Lane, WireError, WireVersion, code, lock, tls};
use crate::pki::certified_name;
use crate::types::Member;

/// After the first failure, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// One attempt: a few repeated packets, then a new one, since a peer that comes up meanwhile hears those sooner.
const DIAL: Duration = Duration::from_millis(600);

/// A peer that dials us is dialled anew when the dial under way is older than this.
const STALE_DIAL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Link {
    pub(super) to: Member,
    class: Class,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    up: Option<Up>,
    dialling: Option<(Instant, AbortHandle)>,
    /// Failures since the last answer.
    failures: u32,
    not_before: Option<Instant>,
    last_failure: Option<String>,
    /// Another link has taken this one's place.
    closed: bool,
}

#[derive(Debug)]
struct Up {
    connection: Connection,
    version: WireVersion,
    /// A call was answered on it.
    proven: bool,
}

/// What to do while there is no connection.
enum Next {
    Use(Connection, WireVersion),
    WaitForDial,
    WaitUntil(Instant),
    Closed,
}

impl Link {
    pub(super) fn new(to: Member, class: Class) -> Self {
        Self { to, class, state: Mutex::new(State::default()), changed: Notify::new() }
    }

    /// The connection, dialled if need be, at the latest at `deadline`.
    pub(super) async fn connection(
        self: &Arc<Self>,
        wire: &Arc<Inner>,
        deadline: Instant,
    ) -> Result<(Connection, WireVersion), WireError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wake = match self.next(wire) {
                Next::Use(connection, version) => return Ok((connection, version)),
                Next::WaitForDial => deadline,
                Next::Closed => return Err(self.unreachable()),
                // No use in waiting when it cannot help.
                Next::WaitUntil(instant) if instant >= deadline => return Err(self.unreachable()),
                Next::WaitUntil(instant) => instant,
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= deadline {
                return Err(self.unreachable());
            }
        }
    }

    /// The connection if there is one; otherwise begins to dial.
    pub(super) fn connection_now(self: &Arc<Self>, wire: &Arc<Inner>) -> Option<(Connection, WireVersion)> {
        match self.next(wire) {
            Next::Use(connection, version) => Some((connection, version)),
            Next::WaitForDial | Next::WaitUntil(_) | Next::Closed => None,
        }
    }

    fn next(self: &Arc<Self>, wire: &Arc<Inner>) -> Next {
        let mut state = lock(&self.state);
        if let Some(up) = &state.up {
            if up.connection.close_reason().is_none() {
                return Next::Use(up.connection.clone(), up.version);
            }
            let (connection, reason) = (up.connection.clone(), up.connection.close_reason());
            self.take_down(wire, &mut state, &connection, reason.as_ref());
        }
        if state.closed {
            return Next::Closed;
        }
        if state.dialling.is_some() {
            return Next::WaitForDial;
        }
        match state.not_before {
            Some(instant) if instant > Instant::now() => Next::WaitUntil(instant),
            _ => {
                self.begin(wire, &mut state);
                Next::WaitForDial
            }
        }
    }

    fn begin(self: &Arc<Self>, wire: &Arc<Inner>, state: &mut State) {
        let task = tokio::spawn(self.clone().dial_and_watch(wire.clone()));
        state.dialling = Some((Instant::now(), task.abort_handle()));
    }

    /// Dials, hands the connection over, and stays until it ends.
    async fn dial_and_watch(self: Arc<Self>, wire: Arc<Inner>) {
        let known = wire.known.enter(self.to.address);
        let dialled = timeout(DIAL, self.dial(&wire)).await;
        let (connection, version) = match dialled {
            Ok(Ok(up)) => up,
            Ok(Err(reason)) => return self.failed(&wire, reason),
            Err(_) => return self.failed(&wire, format!("no answer within {DIAL:?}")),
        };
        wire.tally.count(Count::Dialled);
        {
            let mut state = lock(&self.state);
            state.dialling = None;
            state.up = Some(Up { connection: connection.clone(), version, proven: false });
        }
        self.changed.notify_waiters();
        let reason = connection.closed().await;
        drop(known);
        self.take_down(&wire, &mut lock(&self.state), &connection, Some(&reason));
        self.changed.notify_waiters();
    }

    async fn dial(&self, wire: &Inner) -> Result<(Connection, WireVersion), String> {
        let client = lock(&wire.client).clone();
        let connecting = wire.endpoint.connect_with(client, self.to.address, self.to.name.as_str());
        let connection = connecting.map_err(|error| error.to_string())?.await.map_err(|error| {
            let count = classify(Side::Dialling, &error);
            wire.tally.count(count);
            self.refused(wire, count, Some(&error));
            error.to_string()
        })?;
        let name = peer_certificate(&connection).as_ref().and_then(certified_name);
        if name.as_ref() != Some(&self.to.name) {
            wire.tally.count(Count::WrongName);
            self.refused(wire, Count::WrongName, None);
            connection.close(code::NAME, b"not the node that was meant");
            return Err(format!("its certificate is not for {} alone", self.to.name));
        }
        let version = tls::negotiated(&connection).ok_or("it agreed on no version")?;
        Ok((connection, version))
    }

    fn refused(&self, wire: &Inner, count: Count, error: Option<&ConnectionError>) {
        wire.refusals.note(Side::Dialling, self.to.address, Some(self.to.name.as_str()), count, error);
    }

    fn failed(&self, wire: &Inner, reason: String) {
        wire.tally.count(Count::DialFailed);
        tracing::debug!(peer = %self.to, class = ?self.class, %reason, "dial failed");
        let mut state = lock(&self.state);
        state.dialling = None;
        back_off(wire, &mut state, reason);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Forgets a connection that has ended. One that never answered a call counts as a failed dial: a peer refuses a
    /// client's certificate only after the client takes itself for connected.
    fn take_down(&self, wire: &Inner, state: &mut State, ended: &Connection, reason: Option<&ConnectionError>) {
        let Some(up) = state.up.take_if(|up| up.connection.stable_id() == ended.stable_id()) else { return };
        wire.tally.count(Count::Lost);
        if up.proven {
            return;
        }
        if let Some(reason) = reason {
            if classify(Side::Dialling, reason) == Count::RefusedByPeer {
                wire.tally.count(Count::RefusedByPeer);
                self.refused(wire, Count::RefusedByPeer, Some(reason));
            }
            // A reset or an end by our own hand says nothing about the peer.
            if !matches!(reason, ConnectionError::LocallyClosed | ConnectionError::Reset) {
                back_off(wire, state, reason.to_string());
            }
        }
    }

    /// A call was answered: the peer is well.
    pub(super) fn proven(&self, wire: &Inner, connection: &Connection) {
        wire.refusals.agreed(Side::Dialling, self.to.address);
        let mut state = lock(&self.state);
        (state.failures, state.not_before, state.last_failure) = (0, None, None);
        if let Some(up) = state.up.as_mut().filter(|up| up.connection.stable_id() == connection.stable_id()) {
            up.proven = true;
        }
    }

    /// The peer has dialled us, so it can be reached.
    pub(super) fn peer_is_back(self: &Arc<Self>, wire: &Arc<Inner>) {
        let mut state = lock(&self.state);
        (state.failures, state.not_before) = (0, None);
        let stale = state.dialling.as_ref().is_some_and(|(since, _)| since.elapsed() > STALE_DIAL);
        if stale && let Some((_, task)) = state.dialling.take() {
            task.abort();
            self.begin(wire, &mut state);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn backs_off(&self) -> bool {
        lock(&self.state).failures > 0
    }

    pub(super) fn close(&self, code: VarInt) {
        let mut state = lock(&self.state);
        state.closed = true;
        if let Some((_, task)) = state.dialling.take() {
            task.abort();
        }
        if let Some(up) = &state.up {
            up.connection.close(code, b"");
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn unreachable(&self) -> WireError {
        let reason = lock(&self.state).last_failure.clone().unwrap_or_else(|| "no connection in time".into());
        WireError::Unreachable { to: self.to.clone(), reason }
    }
}

/// Doubles the wait with each failure, and spreads it by a quarter, so that nodes do not dial in step.
fn back_off(wire: &Inner, state: &mut State, reason: String) {
    let (first, most) = WAIT;
    let wait = (first * 2_u32.saturating_pow(state.failures.min(8))).min(most);
    let jitter = lock(&wire.jitter).random_range(75..=125_u32);
    state.failures = state.failures.saturating_add(1);
    state.not_before = Some(Instant::now() + wait * jitter / 100);
    state.last_failure = Some(reason);
}

/// The certificate that the peer has proven.
pub(super) fn peer_certificate(connection: &Connection) -> Option<CertificateDer<'static>> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    chain.into_iter().next()
}

/// One request and its answer, on a stream of its own.
pub(super) async fn exchange(
    connection: &Connection,
    to: &Member,
    lane: Lane,
    request: &[u8],
) -> Result<Vec<u8>, WireError> {
    let lost = |error: &dyn std::fmt::Display| WireError::Lost { to: to.clone(), reason: error.to_string() };
    let (mut send, mut receive) = connection
        .open_bi()
        .await
        .map_err(|error| WireError::Unreachable { to: to.clone(), reason: error.to_string() })?;
    // It fails only on a stream that has ended.
    let _ = send.set_priority(priority(lane));
    match send.write_all(request).await {
        Ok(()) => send.finish().map_err(|error| lost(&error))?,
        Err(WriteError::Stopped(code)) => return Err(ended(to, request.len(), code)),
        Err(error) => return Err(lost(&error)),
    }
    match receive.read_to_end(FRAME_LIMIT).await {
        Ok(answer) => Ok(answer),
        Err(ReadToEndError::TooLong) => Err(WireError::TooLarge { bytes: FRAME_LIMIT + 1, limit: FRAME_LIMIT }),
        Err(ReadToEndError::Read(ReadError::Reset(code))) => Err(ended(to, request.len(), code)),
        Err(ReadToEndError::Read(error)) => Err(lost(&error)),
    }
}

fn priority(lane: Lane) -> i32 {
    match lane {
        Lane::Heartbeat => 2,
        Lane::Log => 1,
        Lane::Client | Lane::Snapshot => 0,
    }
}

/// The peer ended the stream, and said why.
fn ended(to: &Member, bytes: usize, reason: VarInt) -> WireError {
    let lost = |reason: &str| WireError::Lost { to: to.clone(), reason: reason.into() };
    match reason {
        code::TOO_LARGE => WireError::TooLarge { bytes, limit: FRAME_LIMIT },
        code::VERSION => WireError::Version { to: to.clone() },
        code::TOO_SLOW => lost("it took too long"),
        code::STOPPING => lost("it is stopping"),
        other => lost(&format!("it ended the stream with code {other}")),
    }
}
