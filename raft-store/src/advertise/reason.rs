//! Why something is not told.

use crate::model::{Family, Name};

/// Why a node does not keep a session that a policy describes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoSession {
    /// No such peer is configured.
    #[error("there is no such peer")]
    NoPeer,
    /// The peer's node selectors leave the node out.
    #[error("no node selector of the peer selects the node")]
    NotSelected,
    /// Cilium lets a node follow one policy only; the older one stands.
    #[error("the node follows the older policy {stands} already, and Cilium lets it follow only one")]
    OtherPolicy {
        /// The one that it follows.
        stands: Name,
    },
    /// Neither the policy nor an override gives our AS number.
    #[error("neither the policy nor an override for the node gives a local AS number")]
    NoLocalAsn,
    /// Two peers lead to one router; the older one stands.
    #[error("the node has a session with the same router already, by the older peer {stands}")]
    SameRouter {
        /// The one that stands.
        stands: Name,
    },
}

/// Why a node does not tell a route to a peer, in the order in which the rules are tried: a later reason is nearer to
/// being told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Untold {
    /// The wanted state has no such node.
    #[error("there is no such node")]
    NoNode,
    /// The node has no session with the peer.
    #[error("the node keeps no session with the peer: {0}")]
    NoSession(NoSession),
    /// No service has the address.
    #[error("no service has the address")]
    NoService,
    /// The session is not for addresses of this family.
    #[error("the session is not configured for {0}")]
    FamilyNotWanted(Family),
    /// The advertisement is for other peers, or for other families of this one.
    #[error("the advertisement is not for the peer")]
    PeerNotSelected,
    /// No advertisement is for the peer and the family.
    #[error("no advertisement at all is for the peer")]
    NoAdvertisement,
    /// It is about pod networks, or an interface.
    #[error("the advertisement is not about services")]
    NotAboutServices,
    /// The advertisement's selectors leave the service out.
    #[error("the advertisement does not select the service")]
    ServiceNotSelected,
    /// The advertisement is not for addresses of this kind.
    #[error("the advertisement is for other kinds of addresses")]
    KindNotWanted,
    /// The advertisement is for addresses from other pools.
    #[error("the advertisement is for other pools")]
    PoolNotSelected,
    /// `spec.loadBalancerClass` gives the service to another implementation.
    #[error("the service's loadBalancerClass belongs to another implementation")]
    OtherClass,
    /// The advertisement's node selectors leave the node out.
    #[error("the advertisement does not select the node")]
    NodeNotSelected,
    /// The node carries the label `node.kubernetes.io/exclude-from-external-load-balancers`.
    #[error("the node is excluded by the label node.kubernetes.io/exclude-from-external-load-balancers")]
    Excluded,
    /// The node's condition `NetworkUnavailable` is true.
    #[error("the node's network is unavailable")]
    NetworkUnavailable,
    /// The service has no ready backend anywhere, and MetalLB's rules then ask for silence.
    #[error("the service has no ready backend")]
    NoBackend,
    /// The traffic policy is Local.
    #[error("no ready backend on the node, and the service's traffic policy is Local")]
    NoLocalBackend,
    /// The datapath has not confirmed the address (P8).
    #[error("the node's datapath is not ready for the address")]
    NotProgrammed,
    /// The node is drained and has taken its routes back.
    #[error("the node is draining")]
    Draining,
    /// The session is not established.
    #[error("the session is not established")]
    SessionDown,
    /// The router did not offer the family.
    #[error("the router did not agree to {0}")]
    FamilyNotNegotiated(Family),
}
