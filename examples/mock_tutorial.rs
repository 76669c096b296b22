//! Mocks, step by step: a test file as you would write it.
//!
//! `cargo test --example mock_tutorial`
//!
//! All tests run at the same time, most of them mock the same functions, and none
//! sees what another one does.

/// What is tested. It takes no trait, has no attribute and knows of no mock.
mod weather {
    use std::collections::BTreeMap;
    use std::io::Read as _;
    use std::net::TcpStream;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    /// Degrees in a town, by a station somewhere.
    pub(crate) fn ask(town: &str) -> Result<i32, String> {
        let mut answer = String::new();
        let mut station = TcpStream::connect("weather.example:80").map_err(|e| e.to_string())?;
        station
            .read_to_string(&mut answer)
            .map_err(|e| e.to_string())?;
        answer
            .trim()
            .parse()
            .map_err(|_| format!("no weather in {town}"))
    }

    /// The same, with patience.
    pub(crate) fn ask_again(town: &str) -> Result<i32, String> {
        for _ in 0..2 {
            if let Ok(degrees) = ask(town) {
                return Ok(degrees);
            }
            std::thread::sleep(Duration::from_secs(60));
        }
        ask(town)
    }

    /// Towns that are warm, asked for by a thread each.
    pub(crate) fn warm(towns: &[&'static str]) -> Vec<&'static str> {
        let ask = |&town: &&'static str| (town, std::thread::spawn(move || ask(town)));
        let asked: Vec<_> = towns.iter().map(ask).collect();
        let answers = asked
            .into_iter()
            .map(|(town, thread)| (town, thread.join()));
        let warm = answers.filter(|(_, answer)| matches!(answer, Ok(Ok(20..))));
        warm.map(|(town, _)| town).collect()
    }

    /// What was asked for before.
    #[derive(Default)]
    pub(crate) struct Cache {
        known: BTreeMap<String, (SystemTime, i32)>,
    }

    impl Cache {
        pub(crate) fn degrees(&mut self, town: &str) -> Result<i32, String> {
            let now = SystemTime::now();
            if let Some((since, degrees)) = self.known.get(town)
                && now.duration_since(*since).unwrap_or_default() < Duration::from_secs(600)
            {
                return Ok(*degrees);
            }
            let degrees = ask(town)?;
            self.known.insert(town.to_owned(), (now, degrees));
            Ok(degrees)
        }
    }

    pub(crate) fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

fn main() {
    println!("these are tests: cargo test --example mock_tutorial");
    let _ = (weather::ask_again, weather::warm, weather::at);
    let _ = weather::Cache::degrees;
    let _ = weather::Cache::default;
}

#[cfg(test)]
mod tests {
    use super::weather::{self, Cache, at};
    use midair::mock;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, SystemTime};

    /// Step one: a function returns what you say, until the mock is dropped.
    #[test]
    fn a_value() {
        let _mock = mock!(weather::ask).returns(Ok(21));
        assert_eq!(weather::ask("Rome"), Ok(21));
    }

    /// Step two: different values, and how often it has to be called. When the mock
    /// is dropped and that is not so, the test fails with the calls that were made.
    #[test]
    fn the_third_try_succeeds() {
        let ask = mock!(weather::ask)
            .returns_in_order([Err("busy".into()), Err("busy".into()), Ok(3)])
            .times(3);
        let sleep = mock!(std::thread::sleep).returns(()).times(2);
        assert_eq!(weather::ask_again("Oslo"), Ok(3));
        // What they were called with.
        assert_eq!(ask.calls()[2].arguments, ["\"Oslo\""]);
        assert_eq!(sleep.calls()[0].arguments, ["60s"]);
    }

    /// Step three: a closure, with captures; threads that the code starts see it.
    #[test]
    fn threads_are_followed() {
        let limit = 4;
        let mock = mock!(weather::ask => move |town| Ok(if town.len() > limit { 25 } else { 5 }));
        assert_eq!(weather::warm(&["Madrid", "Oslo"]), ["Madrid"]);
        assert_eq!(mock.count(), 2);
    }

    /// Step four: only some calls; all others are what they were. Newer mocks come
    /// first.
    #[test]
    fn conditions() {
        let _all = mock!(weather::ask).returns(Ok(10));
        let _one = mock!(weather::ask)
            .when(|&(town,)| town == "Oslo")
            .returns(Ok(-10));
        assert_eq!(
            (weather::ask("Rome"), weather::ask("Oslo")),
            (Ok(10), Ok(-10))
        );
    }

    /// Step five: functions of std, here the clock. The original is there, too.
    #[test]
    fn a_cache_forgets_after_ten_minutes() {
        let clock = mock!(SystemTime::now).returns_in_order([at(0), at(599), at(601)]);
        let ask = mock!(weather::ask)
            .returns_in_order([Ok(1), Ok(2)])
            .times(2);
        let mut cache = Cache::default();
        let degrees = [(); 3].map(|()| cache.degrees("Rome").unwrap());
        assert_eq!(degrees, [1, 1, 2]);
        drop((clock, ask));
        assert!(SystemTime::now() > at(601));
    }

    /// Step six: the outside world goes somewhere else.
    #[test]
    fn a_station_on_this_machine() {
        let station = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = station.local_addr().unwrap();
        let serve = std::thread::spawn(move || {
            station.accept().unwrap().0.write_all(b"17\n").unwrap();
        });
        let connect = mock!(TcpStream::connect::<&str> => move |_| TcpStream::connect(address));
        assert_eq!(weather::ask("Bonn"), Ok(17));
        assert_eq!(connect.calls()[0].arguments, ["\"weather.example:80\""]);
        serve.join().unwrap();
    }

    /// Step seven: spying. Nothing changes, and calls are counted.
    #[test]
    fn a_spy() {
        let _connect =
            mock!(TcpStream::connect::<&str> => |_| Err(std::io::ErrorKind::TimedOut.into()));
        let spy = mock!(weather::ask).passthrough();
        let sleep = mock!(std::thread::sleep).returns(());
        assert!(weather::ask_again("Rome").is_err());
        assert_eq!((spy.count(), sleep.count()), (3, 2));
    }

    /// Step eight: methods, of types and of traits, generic or not. A closure may
    /// call what it replaces.
    #[test]
    fn methods() {
        let mock = mock!(<TcpStream as std::io::Read>::read_to_string => |_, text| {
            text.push_str("42");
            Ok(2)
        });
        let degrees = mock!(Cache::degrees => |cache, town| Ok(call_original!(cache, town)? * 10));
        let connect = mock!(TcpStream::connect::<&str> => |_| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            TcpStream::connect(listener.local_addr()?)
        });
        assert_eq!(Cache::default().degrees("Rome"), Ok(420));
        assert_eq!((mock.count(), degrees.count(), connect.count()), (1, 1, 1));
    }

    /// Step nine: what a failure says.
    #[test]
    #[should_panic(expected = "was expected to be called 2 times, and was called once")]
    fn a_failure() {
        let _mock = mock!(weather::ask).returns(Ok(1)).times(2);
        assert_eq!(weather::ask("Rome"), Ok(1));
    }

    /// Step ten: C.
    #[test]
    fn c() {
        let _mock = mock!(
            libc::gethostname as unsafe extern "C" fn(_, _) -> _ => |name, len| {
                // SAFETY: the caller has as many bytes there.
                unsafe { name.cast::<u8>().write_bytes(b'x', len.min(3)) };
                0
            }
        );
        let mut name = [0_u8; 4];
        // SAFETY: four bytes.
        unsafe { libc::gethostname(name.as_mut_ptr().cast(), 4) };
        assert_eq!(&name, b"xxx\0");
    }

    /// Not mocked by anybody, while all of the above are.
    #[test]
    fn nobody_else_is_affected() {
        let start = std::time::Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        assert!(start.elapsed() >= Duration::from_millis(5));
        let mut text = String::new();
        let refused =
            TcpStream::connect("127.0.0.1:1").and_then(|mut s| s.read_to_string(&mut text));
        assert!(refused.is_err());
    }
}
