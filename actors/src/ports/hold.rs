//! Where packets for owned addresses end: until there is a datapath, the node's own loopback.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;

/// Makes the node take packets for addresses.
pub trait Hold {
    /// Takes packets for these addresses from now on. Holding one already is no error. Gives those that could not be
    /// held, and why.
    ///
    /// # Errors
    /// When none can be held, in words for the operator.
    fn hold(&self, addresses: &[IpAddr]) -> impl Future<Output = Result<Vec<(IpAddr, String)>, String>> + Send;

    /// Takes packets for them no more. Not holding one is no error.
    ///
    /// # Errors
    /// In words for the operator.
    fn let_go(&self, addresses: &[IpAddr]) -> impl Future<Output = Result<(), String>> + Send;

    /// What an earlier run of this program still holds.
    ///
    /// # Errors
    /// In words for the operator.
    fn held(&self) -> impl Future<Output = Result<BTreeSet<IpAddr>, String>> + Send;
}
