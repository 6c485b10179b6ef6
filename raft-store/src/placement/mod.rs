//! Which node answers for an address. Pure functions in two parts.
//!
//! [`Eligibility`] says who may answer: it holds policies, labels, links, subnets and backends against each node and
//! gives a [`Verdict`] for an address. Addresses of equal verdict share a class, so that 100,000 addresses on 1,000
//! nodes stay small.
//!
//! [`assign_orphans`] and [`rebalance`] say who does. They work on indexes alone ([`Problem`]). After a loss only the
//! lost addresses move; the rest of the way to the optimum is rebalancing, at a pace that the caller sets.
//!
//! An assignment is optimal when the vector of loads, each divided by its node's weight and sorted from the highest
//! down, is the lexicographically smallest that the eligibility allows. This is a separable convex cost, so an
//! assignment is optimal exactly when no relief path is left: a chain of moves that takes one address off a node and
//! gives one to another that is then less loaded than the first was.

mod backends;
mod balance;
#[cfg(test)]
mod balance_tests;
mod eligible;
#[cfg(test)]
mod eligible_tests;
mod prefixes;
mod reason;
mod relief;
mod speak;
mod subnets;
mod verdict;

pub(crate) use backends::{Backends, Whereabouts};
pub use balance::{Item, Move, Problem, assign_orphans, is_optimal, rebalance};
pub use eligible::{Eligibility, NodeView};
pub use reason::Ineligible;
pub use speak::{NATIVE_CLASS, speaks};
pub use verdict::Verdict;
