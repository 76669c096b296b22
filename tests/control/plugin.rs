//! `/reload` loads a library and patches `example` with what is in it.

use crate::program::{Program, free_port, get, library, page};
use std::sync::atomic::{AtomicBool, Ordering};

fn source(text: &str) -> String {
    format!(
        "#[unsafe(no_mangle)]\n\
         pub extern \"C\" fn example(visit: u64) -> *mut std::ffi::c_char {{\n\
         std::ffi::CString::new(format!(\"{text}, visit {{visit}}\")).unwrap().into_raw()\n}}\n"
    )
}

#[test]
fn reload_replaces_the_handler_under_load_and_no_request_fails() {
    let port = free_port();
    let program = Program::start("plugin", "plugin", |command| {
        command.env("PORT", port.to_string());
    });
    program.wait_for(|line| line == format!("listening on port {port}"));
    assert_eq!(page(port, "/"), "I am the first one");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let text = page(port, "/");
                        let known = ["I am the first one", "next", "last"];
                        assert!(known.iter().any(|one| text.starts_with(one)), "{text}");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        // The same file each time.
        for text in ["next", "last"] {
            let file = library(&program.runtime, "handler", &source(text));
            let answer = page(port, &format!("/reload?{}", file.display()));
            assert_eq!(answer, format!("loaded {}", file.display()));
            assert!(page(port, "/").starts_with(&format!("{text}, visit ")));
        }
        let answer = get(port, "/reload?/nowhere.so").unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(page(port, "/").starts_with("last, visit "));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}
