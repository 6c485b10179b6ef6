//! The wanted state in one language, whichever manifests it came from. Pure types: no clock, no I/O, ordered
//! collections only, plain `serde` derives (they are stored with a format that is not self-describing).

mod bgp;
mod cluster;
mod delta;
mod dialect;
mod family;
mod label;
mod names;
mod node;
mod policy;
mod pool;
mod ports;
mod range;
mod refs;
mod service;
mod wanted;

pub use bgp::{
    Advertised, BfdSettings, Bgp, BgpAdvertisement, BgpOverride, BgpPeer, BgpRemote, BgpSource, BgpTimers, Community,
    InstanceOverride, PeerFamily, PeerMatch, RemoteAsn, SecretRef, ServiceAddressKind,
};
pub use cluster::{ClusterSettings, Fencing, Liveness, Rebalance};
pub use delta::{Delta, Part, PartOf};
pub use dialect::{Age, Dialect};
pub use family::{Family, FamilyPolicy};
pub use label::{Expression, LabelLookup, Labels, Operator, Selector, any_selects};
pub use names::{Name, NodeName, ServiceKey};
pub use node::{EXCLUDE_LABEL, Interface, Node};
pub use policy::{AddressKinds, InterfaceMatch, InterfacePattern, L2Policy, NodePreference, PatternError, PoolMatch};
pub use pool::{Block, Pool, PoolScope};
pub use ports::Ports;
pub use range::{IpRange, RangeError};
pub use refs::ObjectRef;
pub use service::{
    Backend, Endpoint, HealthCheck, HealthProbe, Port, Protocol, Requests, Service, ServiceKind, ServiceLabels,
    Sharing, TrafficPolicy,
};
pub use wanted::{ConfigDigest, Namespace, Object, ObjectKey, Wanted};
