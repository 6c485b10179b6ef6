//! Addresses that this node owns, held on its loopback interface, so that the kernel takes packets for them.
//!
//! Held addresses carry a mark in the kernel, by which those that a killed process left behind are found. An address
//! without the mark is someone else's and is never removed.

mod error;
mod settings;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope};
use rtnetlink::packet_route::link::LinkFlags;

pub use error::{HoldError, Refused};
pub use settings::Prepared;

use crate::netlink::{Netlink, NetlinkError};
use crate::wire::announceable;

/// The mark, as the protocol that an address comes from (IFA_PROTO, Linux 5.18 and newer): `Q`.
const PROTOCOL: AddressProtocol = AddressProtocol::Other(0x51);
/// The mark where the kernel does not keep the protocol: a priority (IFA_RT_PRIORITY, Linux 4.18 and newer) that nobody
/// else has use for, since a single address has no route that it would count for: `QLB`.
const PRIORITY: u32 = 0x51_4c42;
const LOOPBACK: &str = "lo";

/// Adds and removes addresses on the loopback interface of the network namespace that it was opened in.
pub struct Holder {
    netlink: Netlink,
    index: u32,
    prepared: bool,
}

impl Holder {
    /// Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When netlink does not work.
    pub async fn open() -> Result<Self, HoldError> {
        let mut holder = Self { netlink: Netlink::open(&[])?, index: 0, prepared: false };
        (holder.index, _) = holder.loopback().await?;
        Ok(holder)
    }

    /// Sees to it that the kernel does not speak ARP for held addresses itself, and that it takes packets for them. Before
    /// it has succeeded, nothing is held; it may be called again at any time.
    ///
    /// # Errors
    /// With what must be set, when it cannot be set from here.
    pub async fn prepare(&mut self) -> Result<Prepared, HoldError> {
        self.prepared = false;
        let (_, up) = self.loopback().await?;
        if !up {
            return Err(HoldError::LoopbackDown);
        }
        let prepared = settings::prepare(Path::new(settings::CONF))?;
        self.prepared = true;
        Ok(prepared)
    }

    /// Holds addresses; gives those that the system refused. An address that is there already is fine, whoever put it
    /// there.
    ///
    /// # Errors
    /// When nothing may be held yet, or netlink does not work any more. What was added by then stays.
    pub async fn add(&mut self, addresses: &[IpAddr]) -> Result<Vec<Refused>, HoldError> {
        if !self.prepared {
            return Err(HoldError::NotPrepared);
        }
        let (handle, index) = (self.netlink.handle().address(), self.index);
        let work = async {
            let mut refused = Vec::new();
            for &address in addresses {
                if !announceable(address) {
                    let source = io::Error::other("a service cannot have this address");
                    refused.push(Refused { address, source });
                    continue;
                }
                let mut request = handle.add(index, address, host_prefix(address));
                mark(request.message_mut(), address);
                refused.extend(outcome(address, request.execute().await, libc::EEXIST)?);
            }
            Ok::<_, NetlinkError>(refused)
        };
        Ok(self.netlink.drive(work).await??)
    }

    /// Stops to hold addresses; gives those that the system refused to remove. What is not there, or is there without the
    /// mark, is passed over.
    ///
    /// # Errors
    /// When netlink does not work any more. What was removed by then is removed.
    pub async fn remove(&mut self, addresses: &[IpAddr]) -> Result<Vec<Refused>, HoldError> {
        let wanted: BTreeSet<IpAddr> = addresses.iter().copied().collect();
        let messages = self.marked().await?;
        let handle = self.netlink.handle().address();
        let work = async {
            let mut refused = Vec::new();
            for (address, message) in messages {
                if wanted.contains(&address) {
                    refused.extend(outcome(address, handle.del(message).execute().await, libc::EADDRNOTAVAIL)?);
                }
            }
            Ok::<_, NetlinkError>(refused)
        };
        Ok(self.netlink.drive(work).await??)
    }

    /// The addresses that are held: by this process, or left behind by one that was killed. Sorted.
    ///
    /// # Errors
    /// When netlink does not work any more.
    pub async fn leftovers(&mut self) -> Result<Vec<IpAddr>, HoldError> {
        let held: BTreeSet<IpAddr> = self.marked().await?.into_iter().map(|(address, _)| address).collect();
        Ok(held.into_iter().collect())
    }

    /// Marked addresses on the loopback interface, as the kernel describes them.
    async fn marked(&mut self) -> Result<Vec<(IpAddr, AddressMessage)>, HoldError> {
        let request = self.netlink.handle().address().get().set_link_index_filter(self.index).execute();
        let messages: Vec<AddressMessage> =
            self.netlink.drive(request.try_collect()).await?.map_err(NetlinkError::from)?;
        Ok(messages.into_iter().filter_map(|message| Some((held_address(&message)?, message))).collect())
    }

    /// The loopback interface's index, and whether it is up.
    async fn loopback(&mut self) -> Result<(u32, bool), HoldError> {
        let request = self.netlink.handle().link().get().match_name(LOOPBACK).execute();
        let links: Vec<_> = self.netlink.drive(request.try_collect()).await?.map_err(NetlinkError::from)?;
        let header = links.first().map(|link| &link.header).ok_or(NetlinkError::Closed)?;
        Ok((header.index, header.flags.contains(LinkFlags::Up)))
    }
}

/// What a request came to; `fine` is the error that says that there was nothing to do.
fn outcome(address: IpAddr, result: Result<(), rtnetlink::Error>, fine: i32) -> Result<Option<Refused>, NetlinkError> {
    match result {
        Ok(()) => Ok(None),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -fine => Ok(None),
        Err(rtnetlink::Error::NetlinkError(error)) => Ok(Some(Refused { address, source: error.to_io() })),
        Err(error) => Err(error.into()),
    }
}

fn host_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Makes a request to add an address one for a held address.
fn mark(message: &mut AddressMessage, address: IpAddr) {
    message.attributes.extend([AddressAttribute::Protocol(PROTOCOL), AddressAttribute::RoutePriority(PRIORITY)]);
    match address {
        // The kernel does not choose it as the source of the node's own connections, and arp_ignore 3 covers it.
        IpAddr::V4(_) => message.header.scope = AddressScope::Host,
        // Others may own it at the same moment in their loopback interfaces, and the fence decides who answers.
        IpAddr::V6(_) => {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute));
        }
    }
}

/// The address, if the message describes a held one.
fn held_address(message: &AddressMessage) -> Option<IpAddr> {
    let (mut address, mut protocol, mut priority) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(value) => address = Some(*value),
            AddressAttribute::Address(value) => address = address.or(Some(*value)),
            AddressAttribute::Protocol(value) => protocol = Some(*value),
            AddressAttribute::RoutePriority(value) => priority = Some(*value),
            _ => {}
        }
    }
    let is_marked = protocol.map_or(priority == Some(PRIORITY), |protocol| protocol == PROTOCOL);
    address.filter(|&address| is_marked && message.header.prefix_len == host_prefix(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> AddressMessage {
        let address: IpAddr = text.parse().unwrap();
        let mut message = AddressMessage::default();
        message.header.prefix_len = host_prefix(address);
        message.attributes.push(AddressAttribute::Address(address));
        message
    }

    #[test]
    fn what_is_marked_is_recognised() {
        for text in ["10.0.5.100", "fd00::100"] {
            let mut message = described(text);
            assert_eq!(held_address(&message), None);
            mark(&mut message, text.parse().unwrap());
            assert_eq!(held_address(&message), Some(text.parse().unwrap()));
            message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Protocol(_)));
            assert_eq!(held_address(&message), Some(text.parse().unwrap()), "a kernel without the protocol");
            message.header.prefix_len -= 1;
            assert_eq!(held_address(&message), None, "a network is not held");
        }
    }

    #[test]
    fn another_protocol_is_another_owner() {
        let mut message = described("10.0.5.100");
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(0x52)));
        message.attributes.push(AddressAttribute::RoutePriority(PRIORITY));
        assert_eq!(held_address(&message), None);
    }
}
