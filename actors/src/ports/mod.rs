//! Everything outside a node, as traits: the machine it runs on implements them (`linux`), and so does a simulated one.
//! An actor touches the world through these and through nothing else.

mod clock;
mod disk;
mod files;
mod hold;
mod links;
mod routers;
mod segment;
mod wire;

pub use clock::Clock;
pub use disk::Disk;
pub use files::{Files, Stamp};
pub use hold::Hold;
pub use links::{LinkState, Links};
pub use routers::{Listen, Routers};
pub use segment::{Frames, Segment, Segments};
pub use wire::{Credentials, Wires};

/// The world of one node.
pub trait World:
    Clock + Disk + Files + Segments + Hold + Links + Routers + Wires + Clone + Send + Sync + 'static
{
}

impl<T: Clock + Disk + Files + Segments + Hold + Links + Routers + Wires + Clone + Send + Sync + 'static> World for T {}
