//! What is outside an endpoint, as traits, so that a simulator can stand in for the network and the clock.

use std::io;
use std::net::IpAddr;

use thiserror::Error;

use super::packet::Discriminator;
use super::path::{Arrival, Path};
use crate::BootTime;

/// Why a session's socket cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another program listens on the port.
    #[error("UDP port {port} is in use: another BFD daemon (FRR's bfdd, BIRD) runs here; only one can")]
    PortInUse {
        /// 3784 or 4784.
        port: u16,
    },
    /// Another socket has the source port; another one can be drawn.
    #[error("UDP source port {0} is in use")]
    SourcePortInUse(u16),
    /// The local address is not there, or not ready yet (duplicate address detection).
    #[error("{0} is not an address of this host, or not ready yet")]
    NoSuchAddress(IpAddr),
    /// The interface is not there.
    #[error("there is no interface with index {0}")]
    NoSuchInterface(u32),
    /// The system refused something else.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes a datagram and how it came.
pub type Take<'a> = &'a mut dyn FnMut(&Arrival, &[u8]);

/// Carries datagrams between this node and its peers.
pub trait Wire: Send {
    /// Opens what a session needs to send from a source port, and to receive.
    ///
    /// # Errors
    /// Nothing is left open then.
    fn open(&mut self, id: Discriminator, path: &Path, source_port: u16) -> Result<(), OpenError>;

    /// Closes what [`Self::open`] opened.
    fn close(&mut self, id: Discriminator);

    /// Sends for a session, without waiting.
    ///
    /// # Errors
    /// When the system does not take it. The next packet makes up for it.
    fn send(&mut self, id: Discriminator, bytes: &[u8]) -> io::Result<()>;

    /// Gives what has come, `limit` datagrams at most, without waiting; whether there may be more.
    fn receive(&mut self, limit: usize, take: Take<'_>) -> bool;

    /// Waits until something has come. May return without. Cancel safe.
    fn readable(&mut self) -> impl Future<Output = ()> + Send;
}

/// The clock, and waiting by it.
pub trait Timer: Send {
    /// The time since boot.
    fn now(&self) -> BootTime;

    /// Waits for a moment; for ever when there is none. Cancel safe.
    fn wait_until(&mut self, deadline: Option<BootTime>) -> impl Future<Output = ()> + Send;
}
