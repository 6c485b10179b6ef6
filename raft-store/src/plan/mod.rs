//! What would be decided, offline: the replicated state machine run on nothing but the wanted state.

mod advertisements;
mod contract;
mod lost;
mod run;

pub use advertisements::MAX_ADVERTISEMENTS;
#[cfg(test)]
pub(crate) use advertisements::advertisements;
pub use contract::{
    Advertisement, Allocation, LostAddresses, Owner, PendingService, Plan, PlanMove, PlanState, PoolLine,
    StandingGrant, Warning,
};
pub use run::{plan, plan_for};

#[cfg(test)]
mod tests;
