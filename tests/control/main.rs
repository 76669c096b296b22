//! The control socket from outside: programs that run, and are talked to as a person
//! or an editor would.

#[cfg(debug_assertions)]
mod greeting;
#[cfg(debug_assertions)]
mod plugin;
#[cfg(debug_assertions)]
mod program;
#[cfg(debug_assertions)]
mod security;
#[cfg(debug_assertions)]
mod server;

#[cfg(not(any(debug_assertions, feature = "control")))]
#[test]
fn a_release_build_has_no_control_socket() {
    let error = midair::control::serve().unwrap_err();
    assert!(matches!(error, midair::control::ControlError::Absent));
}
