//! What can go wrong with an interface's socket, and what to do about it.

use std::io::{self, ErrorKind};
use std::net::Ipv6Addr;

use thiserror::Error;

/// Why the socket of an interface cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No interface has this name.
    #[error("there is no interface {interface} here; `ip link` lists those that there are")]
    NoSuchInterface {
        /// Its name.
        interface: String,
    },
    /// Raw sockets are not allowed.
    #[error("raw sockets are not allowed on {interface}: the process needs CAP_NET_RAW (run it as root, or grant it)")]
    Permission {
        /// The interface's name.
        interface: String,
    },
    /// ARP and neighbour discovery as spoken here are for Ethernet.
    #[error("{interface} is not an Ethernet interface (hardware type {hardware}, Ethernet is 1): name another one")]
    NotEthernet {
        /// The interface's name.
        interface: String,
        /// ARPHRD_*.
        hardware: u16,
    },
    /// The system refused something else.
    #[error("{interface} cannot be used: {what}: {source}")]
    System {
        /// The interface's name.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn system(interface: &str, what: &'static str, source: io::Error) -> Self {
        let interface = interface.to_owned();
        match (source.raw_os_error(), source.kind()) {
            // ENAMETOOLONG: no interface can have such a name.
            (Some(libc::ENODEV | libc::ENXIO | libc::ENAMETOOLONG), _) => Self::NoSuchInterface { interface },
            (_, ErrorKind::PermissionDenied) => Self::Permission { interface },
            _ => Self::System { interface, what, source },
        }
    }
}

/// Why a group cannot be joined.
#[derive(Debug, Error)]
pub enum JoinError {
    /// IPv6 is off on the interface.
    #[error("IPv6 is off on {interface}: set the sysctl net.ipv6.conf.{sysctl}.disable_ipv6 to 0")]
    Ipv6Disabled {
        /// The interface's name.
        interface: String,
        /// Its name as sysctl spells it.
        sysctl: String,
    },
    /// The kernel has no IPv6, or the interface cannot carry it.
    #[error("{interface} has no IPv6: the kernel runs without it, or the interface's MTU is below 1280")]
    NoIpv6 {
        /// The interface's name.
        interface: String,
    },
    /// The bound on sockets that hold groups is reached.
    #[error("{joined} groups are joined already, no more fit in; raise the sysctl net.core.optmem_max")]
    TooMany {
        /// Groups that are joined.
        joined: usize,
    },
    /// The system refused.
    #[error("group {group} cannot be joined: {source}")]
    System {
        /// The group.
        group: Ipv6Addr,
        /// What the system said.
        source: io::Error,
    },
}

/// How an interface went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It was set down; the socket works on when it is set up again.
    Down,
    /// It does not exist any more, or not here.
    Gone,
}
