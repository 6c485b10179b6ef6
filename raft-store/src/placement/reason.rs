//! Why a node does not answer.

use serde::{Deserialize, Serialize};

/// Why a node may not answer for an address, in the order in which the rules are tried: a later reason is nearer to
/// being eligible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Ineligible {
    /// No service has the address.
    #[error("no service has the address any more")]
    Unused,
    /// No policy speaks for any service on the address.
    #[error("no L2 policy speaks for the address")]
    NoPolicy,
    /// MetalLB does not announce services that consent to sharing where an advertisement selects services.
    #[error("an L2Advertisement with serviceSelectors does not speak for a service with allow-shared-ip")]
    SharedWithSelectors,
    /// The node selectors of the policies leave the node out.
    #[error("no L2 policy selects the node for every service on the address")]
    NotSelected,
    /// The node carries the label `node.kubernetes.io/exclude-from-external-load-balancers`.
    #[error("the node is excluded by the label node.kubernetes.io/exclude-from-external-load-balancers")]
    Excluded,
    /// The node hands over what it has.
    #[error("the node is draining")]
    Draining,
    /// The node has no valid session.
    #[error("the node is not live")]
    NotLive,
    /// The node's condition `NetworkUnavailable` is true.
    #[error("the node's network is unavailable")]
    NetworkUnavailable,
    /// The node has no interface that the policies name.
    #[error("the node has no interface that the policy names")]
    NoInterface,
    /// The interfaces that would do are down.
    #[error("the node's interface is down")]
    InterfaceDown,
    /// None of the node's interfaces that are up has a subnet that holds the address.
    #[error("no subnet of the node holds the address")]
    NoSubnet,
    /// A service with traffic policy Local has no ready backend on the node.
    #[error("no ready backend on the node, and externalTrafficPolicy is Local")]
    NoLocalBackend,
    /// The service has no ready backend anywhere, and its policy's rules then ask for silence (MetalLB).
    #[error("the service has no ready backend")]
    NoBackend,
    /// The node could not program its responder for the address.
    #[error("the node could not program its responder for the address")]
    ResponderFailed,
}
