//! What patching costs the thread that does it, and the threads that run the
//! patched functions meanwhile: 2 to 512 busy threads, 1 to 10,000 functions in
//! a transaction, beside a control run in which nothing is patched, and beside
//! `detour`'s transaction, which stops every thread.
//!
//! `cargo bench --bench threads` prints a table and whether the targets are met,
//! and draws plots; `MIDAIR_THREADS=2,512` and `MIDAIR_FUNCTIONS=1` run a part of
//! it. Absolute times mean little on a shared machine: compare
//! within one run.
//!
//! - [`engine`]: the ways of patching that are compared. A consistency of
//!   midair's is one more line there.
//! - [`gaps`]: a worker, and the gaps between its turns.
//! - [`cell`]: one engine, number of threads and number of functions. Each is a
//!   process of its own with a time limit, so that engines cannot disturb each
//!   other and one that hangs is a line in the table.
//! - [`table`], [`plot`]: what comes out.
//! - [`estimates`]: criterion's statistics of the same samples, and its
//!   comparison with the run before.
//!
//! Criterion does not do the measuring: it wants ten samples of everything, of
//! which some take seconds, and its analysis, too, would run beside 512 busy
//! threads.
#![cfg_attr(not(target_arch = "x86_64"), allow(unused))]

#[cfg(target_arch = "x86_64")]
mod cell;
#[cfg(target_arch = "x86_64")]
mod engine;
#[cfg(target_arch = "x86_64")]
mod estimates;
#[cfg(target_arch = "x86_64")]
mod gaps;
#[cfg(target_arch = "x86_64")]
mod plot;
#[cfg(target_arch = "x86_64")]
mod table;

/// Busy threads, beside the one that patches.
const THREADS: [usize; 4] = [2, 8, 64, 512];
/// Functions in a transaction.
const FUNCTIONS: [usize; 3] = [1, 100, 10_000];

#[cfg(target_arch = "x86_64")]
fn main() {
    use cell::Cell;
    if let Some(cell) = Cell::asked_for() {
        return cell.run();
    }
    // `cargo test --benches` wants to know whether it runs, not how fast.
    let is_test = std::env::args().any(|a| a == "--test");
    let start = std::time::Instant::now();
    let mut results = Vec::new();
    for threads in THREADS {
        for functions in FUNCTIONS {
            if is_test && (threads > 2 || functions > 100) {
                continue;
            }
            if !asked_for("MIDAIR_THREADS", threads) || !asked_for("MIDAIR_FUNCTIONS", functions) {
                continue;
            }
            for engine in engine::Engine::ALL {
                let cell = Cell {
                    engine,
                    threads,
                    functions,
                };
                eprintln!("{:5.1} s: {cell}", start.elapsed().as_secs_f64());
                results.push((cell, cell.in_a_child()));
            }
        }
    }
    table::print(&results);
    if is_test {
        return;
    }
    estimates::give(&results);
    plot::draw(&results);
    println!("the whole run took {:.0} s", start.elapsed().as_secs_f64());
}

/// Whether the variable, a list of numbers with commas, has this one or is not
/// there.
#[cfg(target_arch = "x86_64")]
fn asked_for(variable: &str, number: usize) -> bool {
    let Ok(list) = std::env::var(variable) else {
        return true;
    };
    list.split(',').any(|n| n.trim().parse() == Ok(number))
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("the functions of this bench are x86-64 assembly");
}
