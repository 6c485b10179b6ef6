//! One interface on one segment: frames in, frames out.

use std::future::Future;
use std::io;
use std::net::Ipv6Addr;

use quorumlb_announcer::{FencedFrame, MacAddr};

/// Received frames, in order.
pub type Frames = Vec<Vec<u8>>;

/// The frames of one interface that ARP and NDP are about.
pub trait Segment: Send + Sync + 'static {
    /// The interface's MAC.
    fn mac(&self) -> MacAddr;

    /// Waits for frames, and gives those that are there, at most some dozens.
    fn receive(&self) -> impl Future<Output = io::Result<Frames>> + Send;

    /// Sends a frame if it may be sent at this very moment; `false` when it was held back.
    ///
    /// # Errors
    /// What the system says.
    fn send(&self, frame: &FencedFrame) -> io::Result<bool>;

    /// Hears a multicast group.
    ///
    /// # Errors
    /// In words for the operator.
    fn join(&self, group: Ipv6Addr) -> Result<(), String>;

    /// Hears it no more.
    fn leave(&self, group: Ipv6Addr);

    /// Frames that the system dropped because they were not taken in time, since the interface was opened.
    fn dropped(&self) -> u64;
}

/// Opens interfaces.
pub trait Segments {
    /// An open interface.
    type Segment: Segment;

    /// Opens an interface.
    ///
    /// # Errors
    /// In words for the operator.
    fn open_segment(&self, interface: &str) -> Result<Self::Segment, String>;
}
