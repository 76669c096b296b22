//! How many functions change together.

/// What threads may see while a [`Transaction`](crate::Transaction) changes many
/// functions. No thread is stopped by any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// Each function changes on its own: a thread may meet a new one and an old
    /// one afterwards.
    #[default]
    Immediate,
    /// All change at one instant: a thread that has called a new one never calls
    /// an old one afterwards. It may be inside of an old one at that instant, and
    /// call new ones from there.
    Atomic,
}
