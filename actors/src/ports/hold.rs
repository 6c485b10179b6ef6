//! Where packets for owned addresses end: until there is a datapath, the node's own loopback.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;

/// Makes the node take packets for an address.
pub trait Hold {
    /// Takes packets for the address from now on. Holding it already is no error.
    ///
    /// # Errors
    /// In words for the operator.
    fn hold(&self, address: IpAddr) -> impl Future<Output = Result<(), String>> + Send;

    /// Takes them no more. Not holding it is no error.
    ///
    /// # Errors
    /// In words for the operator.
    fn let_go(&self, address: IpAddr) -> impl Future<Output = Result<(), String>> + Send;

    /// What an earlier run of this program still holds.
    ///
    /// # Errors
    /// In words for the operator.
    fn held(&self) -> impl Future<Output = Result<BTreeSet<IpAddr>, String>> + Send;
}
