//! The edge to the network: what a driver needs of connections, and TCP.
//!
//! [`Stream`] and [`Dialer`] are the ports: a simulator has its own. [`TcpDialer`] and [`Listener`] are the real ones.

mod options;
mod tcp;

pub use tcp::{Hops, Listener, Password, PasswordError, Target, TcpDialer};

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::session::Endpoints;

/// A connection with a peer: bytes in order, both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The two ends.
    ///
    /// # Errors
    /// When the connection is gone already.
    fn endpoints(&self) -> io::Result<Endpoints>;
}

impl Stream for TcpStream {
    fn endpoints(&self) -> io::Result<Endpoints> {
        Ok(Endpoints { local: self.local_addr()?, remote: self.peer_addr()? })
    }
}

/// Connects to one peer.
pub trait Dialer: Send + 'static {
    /// What comes of it.
    type Stream: Stream;

    /// Tries once. Dropping the future gives up.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}
