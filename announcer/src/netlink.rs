//! A route netlink connection that is driven by whoever waits for it: no task of its own, and while nobody waits, what
//! comes stays in the socket's bounded buffer.

use std::io;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use rtnetlink::packet_core::NetlinkMessage;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::proto::Connection;
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};
use thiserror::Error;

/// The kernel's netlink socket could not be used.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// It could not be opened.
    #[error("netlink cannot be opened: {0}")]
    Open(#[from] io::Error),
    /// It ended, or what it said could not be read; a new one has to be opened.
    #[error("the netlink connection ended")]
    Closed,
    /// A request was refused.
    #[error("netlink: {0}")]
    Request(#[from] rtnetlink::Error),
}

pub(crate) type Message = NetlinkMessage<RouteNetlinkMessage>;

pub(crate) struct Netlink {
    connection: Connection<RouteNetlinkMessage>,
    handle: Handle,
    messages: UnboundedReceiver<(Message, SocketAddr)>,
    closed: bool,
}

impl Netlink {
    /// Opens a connection that also hears what is told to these groups.
    pub fn open(groups: &[MulticastGroup]) -> Result<Self, NetlinkError> {
        let (connection, handle, messages) = rtnetlink::new_multicast_connection(groups)?;
        Ok(Self { connection, handle, messages, closed: false })
    }

    /// For requests; they go nowhere unless [`Self::drive`] runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs requests to their end. What is told to the groups meanwhile is kept.
    pub async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, NetlinkError> {
        if self.closed {
            return Err(NetlinkError::Closed);
        }
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => Ok(result),
            () = &mut self.connection => {
                self.closed = true;
                Err(NetlinkError::Closed)
            }
        }
    }

    /// Waits for the next message to the groups. Cancel safe.
    pub async fn next(&mut self) -> Result<Message, NetlinkError> {
        if self.closed {
            return Err(NetlinkError::Closed);
        }
        tokio::select! {
            biased;
            message = self.messages.next() => message.map(|(message, _)| message).ok_or(NetlinkError::Closed),
            () = &mut self.connection => {
                self.closed = true;
                Err(NetlinkError::Closed)
            }
        }
    }

    /// Reads all that was told to the groups until now, for [`Self::ready`].
    pub async fn read_all(&mut self) -> Result<(), NetlinkError> {
        if self.closed {
            return Err(NetlinkError::Closed);
        }
        tokio::select! {
            biased;
            // Unconstrained: it must read all there is, in one go.
            () = tokio::task::unconstrained(&mut self.connection) => {
                self.closed = true;
                Err(NetlinkError::Closed)
            }
            () = std::future::ready(()) => Ok(())
        }
    }

    /// The next message if it is there already.
    pub fn ready(&mut self) -> Option<Message> {
        self.messages.try_recv().ok().map(|(message, _)| message)
    }
}
