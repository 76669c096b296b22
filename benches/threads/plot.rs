//! Two plots: what an install costs, and how long the gaps between a worker's
//! turns are. Both axes of both are logarithmic.

use crate::cell::{Cell, Measured};
use crate::engine::Engine;
use crate::table::{percentile, time};
use crate::{FUNCTIONS, THREADS};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::path::{Path, PathBuf};

type Results = [(Cell, Result<Measured, String>)];
type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (1200, 900);
const LABELS: (&str, u32) = ("sans-serif", 14);

/// Draws both and says where they are, or why not.
pub(crate) fn draw(results: &Results) {
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
            PathBuf::from,
        )
        .join("criterion/threads");
    let drawn = std::fs::create_dir_all(&folder)
        .map_err(Into::into)
        .and_then(|()| installs(results, &folder.join("install.svg")))
        .and_then(|()| gaps(results, &folder.join("gaps.svg")));
    match drawn {
        Ok(()) => println!("\nplots: {0}/install.svg, {0}/gaps.svg", folder.display()),
        Err(e) => eprintln!("\nno plots in {}: {e}", folder.display()),
    }
}

fn color(engine: Engine) -> RGBColor {
    match engine {
        Engine::Control => RGBColor(120, 120, 120),
        Engine::Immediate => RGBColor(0, 110, 190),
        Engine::Atomic => RGBColor(0, 150, 90),
        Engine::Detour => RGBColor(200, 60, 40),
    }
}

fn done(results: &Results) -> impl Iterator<Item = (&Cell, &Measured)> {
    results
        .iter()
        .filter_map(|(cell, result)| Some((cell, result.as_ref().ok()?)))
}

/// Median and p99 of an install over the number of busy threads.
fn installs(results: &Results, file: &Path) -> Drawn {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled("Install: median (line) and p99 (dots)", ("sans-serif", 24))?;
    for (area, functions) in root
        .split_evenly((1, FUNCTIONS.len()))
        .iter()
        .zip(FUNCTIONS)
    {
        let mut chart = ChartBuilder::on(area)
            .caption(format!("{functions} in a transaction"), LABELS)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (1.5..700.0).log_scale(),
                (1_000.0..100_000_000_000.0).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("busy threads")
            .y_label_formatter(&|ns: &f64| time(*ns as u64))
            .x_label_formatter(&|n: &f64| format!("{n:.0}"))
            .draw()?;
        for engine in Engine::ALL.into_iter().filter(|e| *e != Engine::Control) {
            let points = |percent| {
                done(results)
                    .filter(move |(c, _)| c.engine == engine && c.functions == functions)
                    .filter_map(move |(c, m)| {
                        Some((c.threads as f64, percentile(&m.installs, percent)? as f64))
                    })
            };
            let color = color(engine);
            chart
                .draw_series(LineSeries::new(points(50), color.stroke_width(2)))?
                .label(engine.name())
                .legend(move |at| key(at, color));
            chart.draw_series(points(99).map(|at| Circle::new(at, 3, color.filled())))?;
        }
        legend(&mut chart)?;
    }
    root.present()?;
    Ok(())
}

/// For each number of threads: which share of the turns took longer than so
/// much.
fn gaps(results: &Results, file: &Path) -> Drawn {
    let functions = 100;
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(
        &format!("Time between turns of a worker, {functions} functions in a transaction"),
        ("sans-serif", 24),
    )?;
    for (area, threads) in root.split_evenly((2, 2)).iter().zip(THREADS) {
        let cells = done(results).filter(|(c, _)| (c.threads, c.functions) == (threads, functions));
        gaps_of(area, threads, cells)?;
    }
    root.present()?;
    Ok(())
}

fn gaps_of<'a>(
    area: &Area<'_>,
    threads: usize,
    cells: impl Iterator<Item = (&'a Cell, &'a Measured)>,
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{threads} threads"), LABELS)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (10.0..10_000_000_000.0).log_scale(),
            (1e-9..1.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("longer than")
        .y_desc("share of the turns")
        .x_label_formatter(&|ns: &f64| time(*ns as u64))
        .y_label_formatter(&|share: &f64| format!("{share:e}"))
        .draw()?;
    for (cell, measured) in cells {
        let all = measured.gaps.gaps.len() as f64;
        let mut longer = all;
        let points = measured.gaps.gaps.iter_recorded().map(|bucket| {
            let at = (bucket.value_iterated_to() as f64, (longer / all).max(1e-9));
            longer -= bucket.count_at_value() as f64;
            at
        });
        let color = color(cell.engine);
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(cell.engine.name())
            .legend(move |at| key(at, color));
    }
    legend(&mut chart)
}

fn key((x, y): (i32, i32), color: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2))
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<
        plotters::coord::combinators::LogCoord<f64>,
        plotters::coord::combinators::LogCoord<f64>,
    >,
>;

fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Drawn {
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
