//! What is wrong with an UPDATE without ending the session (RFC 7606).

use std::fmt;

use super::super::Family;

/// What follows from a flaw, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// The attribute counts as not there.
    DiscardAttribute,
    /// The announced routes count as withdrawn.
    Withdraw,
    /// The prefixes cannot be read: nothing of the family counts for the rest of the session.
    DisableFamily(Family),
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Optional and transitive bits that the attribute does not have.
    Flags,
    /// A length that the attribute does not have.
    Length,
    /// A value that the attribute does not have.
    Value,
    /// It is there more than once.
    Repeated,
    /// It must be there and is not.
    Missing,
    /// It is not meant for an external peer.
    NotExternal,
    /// It reaches beyond the end of all attributes.
    Overrun,
}

/// The worst that is wrong with an UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// What follows.
    pub treatment: Treatment,
    /// Type of the attribute.
    pub attribute: u8,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Flaw {
    pub(super) const fn new(treatment: Treatment, attribute: u8, problem: Problem) -> Self {
        Self { treatment, attribute, problem }
    }

    /// Keeps the worse of the two, the first of equals.
    pub(super) fn note(worst: &mut Option<Self>, flaw: Self) {
        if worst.is_none_or(|worst| worst.treatment < flaw.treatment) {
            *worst = Some(flaw);
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Flags => "has wrong flags",
            Problem::Length => "has a wrong length",
            Problem::Value => "has a wrong value",
            Problem::Repeated => "is there more than once",
            Problem::Missing => "is missing",
            Problem::NotExternal => "came from an external peer",
            Problem::Overrun => "reaches beyond the attributes",
        };
        let treatment = match self.treatment {
            Treatment::DiscardAttribute => "it was passed over",
            Treatment::Withdraw => "the routes count as withdrawn",
            Treatment::DisableFamily(Family::Ipv4Unicast) => "IPv4 routes do not count any more",
            Treatment::DisableFamily(Family::Ipv6Unicast) => "IPv6 routes do not count any more",
        };
        write!(f, "attribute {} {problem}, so {treatment}", self.attribute)
    }
}
