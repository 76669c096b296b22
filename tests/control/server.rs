//! The server in a slot, stopped and restarted over the socket.

use crate::program::{Client, Program, free_port, get, page};
use std::time::{Duration, Instant};

#[test]
fn a_server_is_stopped_and_restarted_and_keeps_its_counter() {
    let port = free_port();
    let program = Program::start("server", "slot", |command| {
        command.env("PORT", port.to_string());
    });
    let mut client = Client::connect(&program.socket());
    program.wait_for(|line| line == format!("listening on port {port}"));
    assert_eq!(page(port, "/"), "visit 1, 1 since the start");

    assert_eq!(client.ask("stop SERVER"), "server::SERVER stopped");
    assert!(get(port, "/").is_err());
    assert_eq!(client.ask("slots"), "server::SERVER: stopped");
    assert!(
        client
            .ask("stop SERVER")
            .starts_with("error: server::SERVER does not run")
    );

    // PORT, then the argument, then where it was.
    assert_eq!(
        client.ask("start SERVER"),
        format!("server::SERVER runs on port {port}")
    );
    assert_eq!(page(port, "/"), "visit 2, 1 since the start");
    let other = free_port();
    assert_eq!(
        client.ask(&format!("restart SERVER {other}")),
        "server::SERVER stopped"
    );
    assert_eq!(
        client.line(),
        format!("server::SERVER runs on port {other}")
    );
    assert!(get(port, "/").is_err());
    assert_eq!(page(other, "/"), "visit 3, 1 since the start");
    client.ask("restart SERVER");
    assert_eq!(
        client.line(),
        format!("server::SERVER runs on port {other}")
    );
    assert_eq!(page(other, "/"), "visit 4, 1 since the start");
    assert!(
        client
            .ask("start SERVER")
            .starts_with("error: server::SERVER runs already")
    );
    assert!(
        client
            .ask("restart SERVER 99999")
            .starts_with("error: `99999` is no port")
    );
}

#[test]
fn a_request_finishes_in_time_or_is_cut_off() {
    let port = free_port();
    let program = Program::start("server", "hard", |command| {
        command.arg(port.to_string());
    });
    let mut client = Client::connect(&program.socket());
    program.wait_for(|line| line == format!("listening on port {port}"));

    let request = |path: &'static str| {
        let waiting = std::thread::spawn(move || get(port, path));
        // Until it is being served.
        std::thread::sleep(Duration::from_millis(20));
        waiting
    };
    let wait = |client: &mut Client, wanted: &str| {
        let begun = Instant::now();
        while !client.ask("slots").contains(wanted) {
            assert!(begun.elapsed() < crate::program::LONG);
        }
    };
    let slow = request("/slow");
    wait(&mut client, "request");
    let begun = Instant::now();
    let stopped = client.ask("stop SERVER");
    let took = begun.elapsed();
    // The thread sleeps, and nothing can end that; its client is free at once.
    assert_eq!(
        stopped,
        "server::SERVER stopped hard; 1 connections were cut; these threads did not end and run \
         on, for nothing can kill a thread: request"
    );
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let answer = slow.join().unwrap();
    assert!(answer.as_ref().map_or(true, String::is_empty), "{answer:?}");
    client.ask(&format!("start SERVER {port}"));
    assert!(page(port, "/brief").starts_with("visit 2"));
}
