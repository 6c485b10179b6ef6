//! The supervision tree: actors that receive, call a pure function, and send.
//!
//! [`Role`] is what an actor of this node has to say for itself; [`Line`] is how others reach it, bounded, whether or not
//! it is being restarted; [`Supervisor`] starts, restarts and stops them in an order of ours.

mod alarm;
mod line;
mod role;
mod supervisor;

pub use alarm::Alarm;
pub use line::{Line, Sent};
pub use role::{Failure, Role};
pub use supervisor::{Child, Family, Rank, Supervisor};

#[cfg(test)]
mod tests;
