//! [`Discovery`] on the ICMPv6 socket of an interface.

use std::fmt;
use std::net::SocketAddr;

use rand::Rng;
use tokio::time;

use super::discovery::{Discovery, Settings};
use super::outcome::{LocalEnd, Outcome};
use super::socket::RouterSocket;
use crate::router::socket_address;
use crate::socket::OpenError;
use crate::{BootTime, Link, boot_now};

/// Messages that are read before time passes.
const BATCH: usize = 64;

/// Looks for the router at the other end of an interface, in the network namespace that it was opened in.
///
/// Nothing is sent and nothing is heard except while [`Self::changed`] runs.
pub struct NeighbourWatch {
    socket: RouterSocket,
    discovery: Discovery,
    randomness: Box<dyn Rng + Send>,
    outcome: Outcome,
}

impl NeighbourWatch {
    /// Opens the socket of an interface, which counts as down until [`Self::set_link`]. Must be called inside a tokio
    /// runtime with I/O enabled. Randomness keeps nodes from speaking at the same time.
    ///
    /// # Errors
    /// When there is no such interface, or the process may not open raw sockets.
    pub fn open(interface: &str, settings: Settings, randomness: Box<dyn Rng + Send>) -> Result<Self, OpenError> {
        let socket = RouterSocket::open(interface)?;
        Ok(Self { socket, discovery: Discovery::new(settings), randomness, outcome: Outcome::Down })
    }

    /// The interface's index. When its name comes to belong to another one, a new watch has to be opened.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.socket.index()
    }

    /// How the interface is now.
    pub fn set_link(&mut self, link: &Link) {
        // IPv6 may have been off. Without the group, only routers that ask are answered less.
        if let Err(error) = self.socket.join_routers() {
            tracing::debug!(interface = link.name, "the group of all routers cannot be joined: {error}");
        }
        self.discovery.set_local(LocalEnd::of(link), boot_now(), &mut *self.randomness);
    }

    /// What was last given.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The router's address to connect to, with the interface that belongs to it.
    #[must_use]
    pub fn socket_address(&self, port: u16) -> Option<SocketAddr> {
        self.outcome.router().map(|router| socket_address(router.into(), self.index(), port))
    }

    /// What is known in detail.
    #[must_use]
    pub const fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// Waits until something else is found, and gives it. Cancel safe.
    pub async fn changed(&mut self) -> &Outcome {
        loop {
            let more = self.read();
            self.speak();
            let outcome = self.discovery.outcome();
            if outcome != self.outcome {
                self.outcome = outcome;
                return &self.outcome;
            }
            if more {
                tokio::task::yield_now().await;
            } else {
                wait(&self.socket, self.discovery.next_deadline()).await;
            }
        }
    }

    /// What has come speaks before time passes. Gives whether there may be more.
    fn read(&mut self) -> bool {
        let Self { socket, discovery, randomness, .. } = self;
        let now = boot_now();
        socket.drain(BATCH, |arrival, bytes| {
            if let Err(discard) = discovery.receive(arrival, bytes, now, &mut **randomness) {
                tracing::debug!(source = %arrival.source, "a router's message was discarded: {discard}");
            }
        })
    }

    fn speak(&mut self) {
        let now = boot_now();
        for transmit in self.discovery.tick(now, &mut *self.randomness) {
            let Some(own) = self.discovery.own() else { continue };
            if let Err(error) = self.socket.send(own, transmit.destination(), transmit.bytes()) {
                tracing::debug!(index = self.index(), "not sent to {}: {error}", transmit.destination());
                self.discovery.not_sent(&transmit, now);
            }
        }
    }
}

async fn wait(socket: &RouterSocket, deadline: Option<BootTime>) {
    let sleep = async {
        match deadline {
            Some(deadline) => time::sleep(deadline.since(boot_now())).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = socket.readable() => {}
        () = sleep => {}
    }
}

impl fmt::Debug for NeighbourWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { discovery, outcome, .. } = self;
        f.debug_struct("NeighbourWatch").field("discovery", discovery).field("outcome", outcome).finish_non_exhaustive()
    }
}
