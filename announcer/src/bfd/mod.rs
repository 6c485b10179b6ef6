//! Bidirectional forwarding detection: whether a neighbour is still reached, within tens of milliseconds.
//!
//! RFC 5880 in asynchronous mode, without authentication and echo; RFC 5881 (single hop) and RFC 5883 (multihop). [`packet`],
//! [`session`] (one session) and [`endpoint`] (all of a node's) are pure. [`driver`] runs an endpoint in one task, on a
//! [`wire`]: [`socket`] is the one of the kernel.
//!
//! A task should be let run within a few milliseconds of its time for detection within 30 ms: on a runtime whose other tasks
//! do not block, and with real-time scheduling where the machine is busy.

pub mod discard;
pub mod driver;
pub mod endpoint;
pub mod packet;
pub mod path;
pub mod session;
pub mod socket;
pub mod wire;

pub use discard::{Discard, Discards};
pub use driver::{Bfd, Driver, Error, Event, Report};
pub use endpoint::{Counters, LastDown, Row, SavedSession, Settings};
pub use packet::{Diagnostic, State};
pub use path::{Arrival, Hops, Path, PathError};
pub use session::{Change, DownReason, Status, Timing, TimingError};
pub use socket::{BootTimer, UdpWire};
pub use wire::{OpenError, Timer, Wire};
