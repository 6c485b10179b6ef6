//! The wire on UDP: one socket for each session to send from, and one for each port and family to receive on, which all
//! sessions share.

mod receiver;
mod register;
mod sender;
mod timer;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::IpAddr;
use std::task::Poll;

use self::receiver::Receiver;
use self::sender::Sender;
pub use self::timer::BootTimer;
use super::packet::Discriminator;
use super::path::{Hops, Path};
use super::wire::{OpenError, Take, Wire};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

type Port = (Family, Hops);

/// UDP sockets in the network namespace of the thread that opens them. Needs a tokio runtime with I/O.
#[derive(Debug, Default)]
pub struct UdpWire {
    receivers: BTreeMap<Port, Receiver>,
    senders: BTreeMap<Discriminator, (Port, Sender)>,
}

impl UdpWire {
    /// Without sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A port that no session needs any more is free for others.
    fn close_unused(&mut self) {
        let Self { receivers, senders } = self;
        receivers.retain(|port, _| senders.values().any(|(used, _)| used == port));
    }
}

impl Wire for UdpWire {
    fn open(&mut self, id: Discriminator, path: &Path, source_port: u16) -> Result<(), OpenError> {
        let port = (Family::of(path.peer()), path.hops());
        let sender = Sender::open(path, source_port)?;
        if let Entry::Vacant(vacant) = self.receivers.entry(port) {
            vacant.insert(Receiver::open(port.0, port.1)?);
        }
        self.senders.insert(id, (port, sender));
        Ok(())
    }

    fn close(&mut self, id: Discriminator) {
        self.senders.remove(&id);
        self.close_unused();
    }

    fn send(&mut self, id: Discriminator, bytes: &[u8]) -> io::Result<()> {
        let (_, sender) = self.senders.get(&id).ok_or(io::ErrorKind::NotConnected)?;
        sender.send(bytes)
    }

    /// Each socket gives its share of the limit, so that a flood on one does not silence the others.
    fn receive(&mut self, limit: usize, take: Take<'_>) -> bool {
        let share = limit.div_ceil(self.receivers.len().max(1));
        let mut more = false;
        for receiver in self.receivers.values_mut() {
            more |= receiver.drain(share, take);
        }
        more
    }

    async fn readable(&mut self) {
        std::future::poll_fn(|context| {
            let ready = self.receivers.values().filter(|receiver| receiver.poll_readable(context).is_ready());
            if ready.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
