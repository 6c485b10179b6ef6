//! The allocator from outside, and its promises under random changes.

mod cilium;
mod class;
mod family;
mod metallb;
mod mixed;
mod pact;
mod properties;
mod reserved;
mod scale;
mod stability;
mod usage;
mod world;
