use super::*;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Counts its starts; each connection has a thread that waits for a byte.
struct Waiter {
    starts: u32,
}

impl Component for Waiter {
    fn start(
        scope: &Scope,
        port: u16,
        before: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        scope.shut_on_stop(&listener)?;
        scope.spawn("acceptor", move |scope| {
            while let Ok((mut stream, _)) = listener.accept() {
                let work = move |scope: &Scope| {
                    let _cut = scope.shut_on_hard_stop(&stream).unwrap();
                    let _ = stream.read(&mut [0]);
                };
                if scope.is_stopping() || scope.spawn("connection", work).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            starts: before.map_or(0, |before| before.starts) + 1,
        })
    }
}

crate::slot! { static QUIET: Waiter }

#[test]
fn it_is_started_stopped_and_restarted_on_one_port_and_keeps_what_it_chooses() {
    let port = free_port();
    assert_eq!(QUIET.start(Some(port)).unwrap(), port);
    assert!(matches!(
        QUIET.start(Some(port)),
        Err(SlotError::Running { .. })
    ));
    assert!(QUIET.stop().unwrap().was_graceful());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(matches!(QUIET.stop(), Err(SlotError::Stopped { .. })));
    assert_eq!(QUIET.restart(Some(port)).unwrap().port, port);
    let again = QUIET.restart(None).unwrap();
    assert_eq!(again.port, port);
    assert!(again.stopped.unwrap().was_graceful());
    assert_eq!(QUIET.get().unwrap().starts, 3);
    QUIET.stop().unwrap();
    assert!(QUIET.get().is_none());
}

crate::slot! { static BUSY: Waiter }

#[test]
fn a_connection_that_does_not_end_is_cut_after_the_time_for_a_graceful_stop() {
    let port = free_port();
    BUSY.start(Some(port)).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    while !Restartable::status(&BUSY).contains("connection") {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    let stopped = BUSY.stop().unwrap();
    let took = begun.elapsed();
    assert_eq!((stopped.cut, stopped.left.len()), (1, 0), "{stopped}");
    assert!(took >= GRACE, "{took:?}");
    assert!(took < GRACE * 10, "{took:?}");
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    // The port is free although the client has its end open.
    BUSY.start(Some(port)).unwrap();
    BUSY.stop().unwrap();
}

static LET_GO: AtomicBool = AtomicBool::new(false);

/// Listens to nothing and nobody.
struct Deaf;

impl Component for Deaf {
    fn start(
        scope: &Scope,
        _: u16,
        _: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        scope.spawn("deaf", |_| {
            while !LET_GO.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        })?;
        Ok(Self)
    }
}

crate::slot! { static DEAF: Deaf }

#[test]
fn a_thread_that_does_not_listen_is_left_and_named() {
    DEAF.start(Some(1)).unwrap();
    let stopped = DEAF.stop().unwrap();
    assert_eq!(stopped.left, ["deaf"]);
    assert!(stopped.to_string().contains("deaf"), "{stopped}");
    // It does not stand in the way of the next one.
    LET_GO.store(true, Ordering::Relaxed);
    DEAF.start(Some(1)).unwrap();
    DEAF.stop().unwrap();
}

#[test]
fn what_comes_after_the_stop_is_shut_down_at_once() {
    let scope = Scope::new();
    let (let_go, waits) = std::sync::mpsc::channel::<()>();
    scope
        .spawn("late", move |_| {
            // Ends when nobody holds the other end.
            let _ = waits.recv();
        })
        .unwrap();
    assert_eq!(scope.stop(Duration::from_millis(1)).left, ["late"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let patience = Some(Duration::from_secs(10));
    connection.set_read_timeout(patience).unwrap();
    let _cut = scope.shut_on_hard_stop(&connection).unwrap();
    assert!(matches!(connection.read(&mut [0]), Ok(0)));
    scope.shut_on_stop(&listener).unwrap();
    listener.set_nonblocking(true).unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
    drop(let_go);
}

/// Fails, or panics, after it has started a thread.
struct Failing;

static TRIES: AtomicU32 = AtomicU32::new(0);
static ENDED: AtomicBool = AtomicBool::new(false);

impl Component for Failing {
    fn start(
        scope: &Scope,
        _: u16,
        _: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        scope.spawn("orphan", |scope| {
            while !scope.sleep(Duration::from_secs(60)) {}
            ENDED.store(true, Ordering::Relaxed);
        })?;
        match TRIES.fetch_add(1, Ordering::Relaxed) {
            0 => Err("the database is away".into()),
            1 => panic!("a bug"),
            _ => Ok(Self),
        }
    }
}

crate::slot! { static FAILING: Failing }

#[test]
fn a_start_that_fails_or_panics_leaves_the_slot_stopped() {
    let error = FAILING.start(Some(1)).unwrap_err().to_string();
    assert!(error.contains("the database is away"), "{error}");
    assert!(ENDED.load(Ordering::Relaxed), "its thread runs on");
    ENDED.store(false, Ordering::Relaxed);
    std::panic::catch_unwind(|| FAILING.start(Some(1))).unwrap_err();
    assert!(ENDED.load(Ordering::Relaxed), "its thread runs on");
    FAILING.start(Some(1)).unwrap();
    assert!(FAILING.stop().unwrap().was_graceful());
}

crate::slot! { static SELF_STOPPER: SelfStopper }

struct SelfStopper;

static STOPPED: Mutex<Option<Stopped>> = Mutex::new(None);

impl Component for SelfStopper {
    fn start(
        scope: &Scope,
        _: u16,
        before: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        if before.is_none() {
            scope.spawn("stopper", |_| {
                let stopped = loop {
                    match SELF_STOPPER.stop() {
                        Ok(stopped) => break stopped,
                        Err(_) => std::thread::yield_now(),
                    }
                };
                *STOPPED.lock().unwrap() = Some(stopped);
            })?;
        }
        Ok(Self)
    }
}

#[test]
fn a_component_can_stop_itself() {
    SELF_STOPPER.start(Some(1)).unwrap();
    let begun = Instant::now();
    let stopped = loop {
        if let Some(stopped) = STOPPED.lock().unwrap().take() {
            break stopped;
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    };
    assert!(stopped.was_graceful(), "{stopped}");
}
