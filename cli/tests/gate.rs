//! The gate of hot reload, on pairs of small crates: each is compiled as cargo
//! compiles one for development, before and after an edit, and the gate is
//! asked about the functions that changed.

#[path = "gate/closures.rs"]
mod closures;
#[path = "gate/edit.rs"]
mod edit;
#[path = "gate/functions.rs"]
mod functions;
#[path = "gate/futures.rs"]
mod futures;
#[path = "gate/speed.rs"]
mod speed;
#[path = "gate/statics.rs"]
mod statics;
#[path = "gate/traits.rs"]
mod traits;
#[path = "gate/types.rs"]
mod types;
#[path = "gate/unusable.rs"]
mod unusable;
