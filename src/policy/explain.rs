//! Why a policy decided as it did: which rules gave the answer, and where the others stopped.
//!
//! Off the line of a check, on the interpreter and under limits. Everything here is found out by
//! evaluating rules that are written beside those of the policy, out of the same text; so what is told
//! follows what is evaluated and not what somebody believes of Rego.

mod addition;
mod decided;

pub(super) use decided::Deciders;
pub use decided::Location;
