//! `Command + State -> State + Events`: pure, deterministic, the same on every replica.

mod command;
mod configure;
mod derived;
mod event;
mod nodes;
mod owners;
mod services;
mod staging;
mod state;

pub use command::{Command, Epoch, Incarnation, NodeReport, Outcome, Proposal, SessionId};
pub use derived::{Mark, Touched};
pub use event::{Event, Listed, MoveReason, Record};
pub use state::{Applied, MemberState, Moving, Ownership, Session, State};

#[cfg(test)]
mod tests;
