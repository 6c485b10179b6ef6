//! Memberships in multicast groups.
//!
//! A raw socket alone can make the network card hear a group, but only a socket of IPv6 makes the kernel report it by MLD
//! to switches. Linux bounds the groups of one such socket by its option memory (`net.core.optmem_max`), so more sockets
//! are opened as they fill up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::JoinError;
use super::options::{self, Reception};
use crate::ndp::packet::multicast_mac;
use crate::sysctl;

/// Sockets that hold groups at most. With the smallest usual option memory (20 KiB) one holds about 400 groups.
const MAX_HOLDERS: usize = 64;
/// Groups whose MACs are given to the network card one by one. Beyond, it hears all groups: cards have room for few.
const MAX_FILTERED: usize = 256;

#[derive(Debug)]
struct Holder {
    socket: Socket,
    full: bool,
}

#[derive(Debug)]
struct Joined {
    holder: usize,
    /// Whether the network card was given the MAC.
    filtered: bool,
}

/// The groups that are joined on one interface.
#[derive(Debug)]
pub(super) struct Memberships {
    index: u32,
    holders: Vec<Holder>,
    joined: BTreeMap<Ipv6Addr, Joined>,
    filtered: usize,
}

impl Memberships {
    pub fn new(index: u32) -> Self {
        Self { index, holders: Vec::new(), joined: BTreeMap::new(), filtered: 0 }
    }

    pub fn join(&mut self, raw: &impl AsFd, interface: &str, group: Ipv6Addr) -> Result<(), JoinError> {
        if self.joined.contains_key(&group) {
            return Ok(());
        }
        require_ipv6(interface)?;
        let holder = self.hold(group)?;
        let filtered = self.filtered < MAX_FILTERED;
        let received = if filtered {
            options::add_reception(raw, self.index, Reception::Group(multicast_mac(group)))
        } else if self.unfiltered() == 0 {
            options::add_reception(raw, self.index, Reception::AllGroups)
        } else {
            Ok(())
        };
        if let Err(source) = received {
            self.release(holder, group).map_err(|source| JoinError::System { group, source })?;
            return Err(JoinError::System { group, source });
        }
        self.filtered += usize::from(filtered);
        self.joined.insert(group, Joined { holder, filtered });
        Ok(())
    }

    pub fn leave(&mut self, raw: &impl AsFd, group: Ipv6Addr) -> io::Result<()> {
        let Some(Joined { holder, filtered }) = self.joined.remove(&group) else { return Ok(()) };
        let released = self.release(holder, group);
        let received = if filtered {
            self.filtered -= 1;
            options::drop_reception(raw, self.index, Reception::Group(multicast_mac(group)))
        } else if self.unfiltered() == 0 {
            options::drop_reception(raw, self.index, Reception::AllGroups)
        } else {
            Ok(())
        };
        released.and(received)
    }

    fn unfiltered(&self) -> usize {
        self.joined.len() - self.filtered
    }

    /// Joins the group on a socket that has room, a new one if none has; gives its number.
    fn hold(&mut self, group: Ipv6Addr) -> Result<usize, JoinError> {
        let system = |source| JoinError::System { group, source };
        for (number, holder) in self.holders.iter_mut().enumerate().filter(|(_, holder)| !holder.full) {
            match holder.socket.join_multicast_v6(&group, self.index) {
                Ok(()) => return Ok(number),
                Err(error) if is_full(&error) => holder.full = true,
                Err(error) => return Err(system(error)),
            }
        }
        if self.holders.len() >= MAX_HOLDERS {
            return Err(JoinError::TooMany { joined: self.joined.len() });
        }
        // Never bound to a port, so nothing is ever queued for it.
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).map_err(system)?;
        socket.join_multicast_v6(&group, self.index).map_err(system)?;
        self.holders.push(Holder { socket, full: false });
        Ok(self.holders.len() - 1)
    }

    fn release(&mut self, number: usize, group: Ipv6Addr) -> io::Result<()> {
        let Some(holder) = self.holders.get_mut(number) else { return Ok(()) };
        holder.full = false;
        holder.socket.leave_multicast_v6(&group, self.index)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

/// Joining works while IPv6 is off, but nothing comes of it, so it is looked at first.
fn require_ipv6(interface: &str) -> Result<(), JoinError> {
    match fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")) {
        Ok(value) if value.trim() == "0" => Ok(()),
        Ok(_) => Err(JoinError::Ipv6Disabled { interface: interface.to_owned(), sysctl: sysctl::spelling(interface) }),
        Err(_) => Err(JoinError::NoIpv6 { interface: interface.to_owned() }),
    }
}
