//! Why an address cannot be held, and what to do about it.

use std::io;
use std::net::IpAddr;

use thiserror::Error;

use crate::netlink::NetlinkError;

/// Why addresses cannot be held on this node.
#[derive(Debug, Error)]
pub enum HoldError {
    /// Netlink does not work; the holder has to be opened anew.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The loopback interface is down, so that nothing is delivered to addresses on it.
    #[error("the loopback interface is down: `ip link set lo up`")]
    LoopbackDown,
    /// [`Holder::prepare`](super::Holder::prepare) has not succeeded yet.
    #[error("the kernel's settings have not been checked yet, so no address is held")]
    NotPrepared,
    /// With this setting the kernel itself would answer ARP for held addresses, or claim them in its own requests.
    #[error("with {sysctl}={value} the kernel speaks ARP for held addresses on {interface}: set the sysctl {sysctl}={want}{}", because(.refused))]
    Setting {
        /// Where the kernel would speak; `default` stands for interfaces yet to come.
        interface: String,
        /// The setting's name.
        sysctl: String,
        /// What it is.
        value: u32,
        /// What it must be.
        want: u32,
        /// Why it could not be set from here; `None` when that was not tried, because someone chose its value.
        refused: Option<io::Error>,
    },
    /// A setting cannot be read.
    #[error("the kernel's settings cannot be read: {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

fn because(refused: &Option<io::Error>) -> String {
    refused.as_ref().map(|error| format!(" (setting it from here failed: {error})")).unwrap_or_default()
}

/// One address that could not be added or removed.
#[derive(Debug, Error)]
#[error("{address}: {source}")]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// What the system said.
    pub source: io::Error,
}
