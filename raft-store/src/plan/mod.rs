//! What would be decided, offline: the replicated state machine run on nothing but the wanted state.

mod contract;
mod run;

pub use contract::{
    Advertisement, Allocation, Owner, PendingService, Plan, PlanMove, PlanState, PoolLine, StandingGrant, Warning,
};
pub use run::{plan, plan_for};

#[cfg(test)]
mod tests;
