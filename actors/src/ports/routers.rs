//! The routers that the node speaks BGP and BFD with.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use quorumlb_announcer::bfd::{Bfd, Event};
use quorumlb_announcer::bgp::transport::{Dialer, Password, Stream, Target};
use quorumlb_raft_store::model::Family;
use tokio::sync::mpsc::Receiver;

/// Takes connections of routers.
pub trait Listen: Send + Sync + 'static {
    /// What comes of it.
    type Stream: Stream;

    /// From now on, connections from this address have to be signed with the key; with `None` not any more.
    ///
    /// # Errors
    /// What the system says.
    fn set_password(&self, peer: IpAddr, password: Option<&Password>) -> io::Result<()>;

    /// The next connection.
    ///
    /// # Errors
    /// What the system says; the next call may succeed.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Reaches routers, and is reached by them.
pub trait Routers {
    /// A connection.
    type Stream: Stream;
    /// Connects to one router.
    type Dialer: Dialer<Stream = Self::Stream>;
    /// Takes connections.
    type Listener: Listen<Stream = Self::Stream>;

    /// For connections with this router.
    fn dialer(&self, target: Target) -> Self::Dialer;

    /// Listens for connections; the unspecified address of a family means all of it.
    ///
    /// # Errors
    /// What the system says.
    fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener>;

    /// Makes a connection that was accepted fit a router: its TTL and the like.
    ///
    /// # Errors
    /// What the system says.
    fn prepare(&self, target: &Target, stream: &Self::Stream) -> io::Result<()>;

    /// Begins to speak BFD: what commands it, and what it tells.
    ///
    /// # Errors
    /// In words for the operator.
    fn start_bfd(&self) -> Result<(Bfd, Receiver<Event>), String>;

    /// The default gateway of a family, with the number of its interface.
    ///
    /// # Errors
    /// Why there is none just now, in words for the operator.
    fn gateway(&self, family: Family) -> impl Future<Output = Result<(IpAddr, NonZeroU32), String>> + Send;

    /// The router on an interface, by its link-local address, with the number of the interface.
    ///
    /// # Errors
    /// Why there is none just now, in words for the operator.
    fn router_on(&self, interface: &str) -> impl Future<Output = Result<(IpAddr, NonZeroU32), String>> + Send;
}
