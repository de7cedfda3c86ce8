//! Tickets of requests.

/// The id of a request. It assigns a result to its request, and identifies late results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::console) struct Ticket(pub(in crate::console) u64);

/// What the operator no longer wants: a plan that is declined, or a run that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Abandoned {
    /// A call that is made: it stops at its next safe point, and still ends with its own message.
    Call(Ticket),
    /// A plan that is kept.
    Plan(Ticket),
}
