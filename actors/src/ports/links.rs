//! The node's interfaces.

use std::future::Future;

use ipnetwork::IpNetwork;

/// One interface, as the system tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub name: String,
    /// Set up, and its carrier is there.
    pub up: bool,
    /// ARP and NDP can be spoken on it: Ethernet, not the loopback, not part of a bridge or bond.
    pub speaks: bool,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNetwork>,
}

/// Where changes of the interfaces are told.
pub trait Links {
    /// A running watch.
    type Watch: Send + 'static;

    /// Begins to watch.
    ///
    /// # Errors
    /// In words for the operator.
    fn watch(&self) -> impl Future<Output = Result<Self::Watch, String>> + Send;

    /// All interfaces, by name: at once the first time, then after each change.
    ///
    /// # Errors
    /// In words; the watch is over then.
    fn next(watch: &mut Self::Watch) -> impl Future<Output = Result<Vec<LinkState>, String>> + Send;
}
